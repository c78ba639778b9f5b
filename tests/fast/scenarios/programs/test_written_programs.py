"""Programs written as text: read back as written, and refused with a sentence where they can't be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.programs.fleets import VERSIONS
from midpipe.scenarios.programs.registry import program_named
from midpipe.scenarios.programs.written import (
    MALFORMED_VERB,
    VERBS,
    WrittenStep,
    steps_from,
    written,
)

WORDS = st.sampled_from(["job-1", "job-2", "running"])


@st.composite
def steps(draw: st.DrawFn) -> WrittenStep:
    verb = draw(st.sampled_from(sorted(set(VERBS) - {MALFORMED_VERB})))
    count = draw(st.integers(VERBS[verb].least, VERBS[verb].most))
    words = tuple("3" if verb == "work" else draw(WORDS) for _ in range(count))
    version = draw(st.sampled_from(["", *VERSIONS]))
    return WrittenStep(draw(st.sampled_from("ABC")), verb, words, version)


@given(st.lists(steps(), min_size=1, max_size=8))
def test_a_program_is_read_back_as_it_was_written(given_steps: list[WrittenStep]) -> None:
    assert steps_from(written(tuple(given_steps))) == tuple(given_steps)


@given(st.lists(steps(), min_size=1, max_size=8))
def test_each_client_makes_its_calls_in_the_order_written(given_steps: list[WrittenStep]) -> None:
    program = program_named(written(tuple(given_steps)))
    assert program.clients == {
        client: tuple(step.call() for step in given_steps if step.client == client)
        for client in sorted({step.client for step in given_steps})
    }


def test_a_replay_line_holds_a_written_program() -> None:
    text = "written(A enqueue job-1 r-1, B@off claim): B1 A1!lost-reply"
    program, schedule = parse_replay_string(text, CATALOGUE)
    assert (program, str(schedule)) == (
        "written(A enqueue job-1 r-1, B@off claim)",
        "B1 A1!lost-reply",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("written(A work job-1)", "is not a number of jobs"),
        ("written()", "is not a call"),
        ("written(A)", "is not a call"),
        ("written(A jump)", "The verbs are"),
        ("written(A enqueue)", "The verbs are"),
        ("written(A claim job-1)", "The verbs are"),
        ("written(AB list)", "is not a client"),
        ("written(A@never list)", "is not a client"),
        ("written(A malformed lunch)", "The malformed calls are"),
        ("written(A malformed no-workspace, A list)", "in a program of their own"),
        ("written(old job-1)", "has no call"),
    ],
)
def test_text_that_can_not_be_read_is_refused_with_the_alternatives(
    text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        program_named(text)


def test_malformed_calls_make_up_a_program_of_their_own() -> None:
    program = program_named("written(A malformed no-workspace, B malformed odd-status)")
    assert (program.malformed, program_named("written(A list)").malformed) == (True, False)


def test_a_seeded_job_is_written_in_the_schema_named() -> None:
    program = program_named("written(old job-1, new job-2, A get globex/job-3)")
    assert [command[:2] for command in program.seed] == [
        ("HSET", "ai:jobs:job-1"),
        ("RPUSH", "ai:queue:pending"),
        ("DEL", "ai:jobs:job-2"),
    ]
    assert [call.arguments["job_id"] for call in program.prepare] == ["job-2"]
    (read,) = program.clients["A"]
    assert (read.arguments["workspace_id"], read.arguments["job_id"]) == ("globex", "job-3")


@pytest.mark.parametrize("verb", ["claim", "claim-ended", "dequeue", "work"])
def test_each_client_is_a_worker_of_its_own(verb: str) -> None:
    program = program_named(f"written(A {verb}, B {verb})")
    names = {calls[0].arguments["worker_id"] for calls in program.clients.values()}
    assert len(names) == len(program.clients)
