"""Programs written as text: read back as written, and refused with a sentence where they can't be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultinject.decide.schedule import parse_replay_string
from faultinject.errors import UsageError
from faultinject.faults import CATALOGUE
from scenarios.programs.fleets import VERSIONS
from scenarios.programs.registry import program_named
from scenarios.programs.written import VERBS, WrittenStep, steps_from, written

WORDS = st.sampled_from(["job-1", "job-2", "running"])


@st.composite
def steps(draw: st.DrawFn) -> WrittenStep:
    verb = draw(st.sampled_from(sorted(VERBS)))
    count = draw(st.integers(VERBS[verb].least, VERBS[verb].most))
    words = tuple(draw(WORDS) for _ in range(count))
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
    ("text", "told"),
    [
        ("written()", "is not a call"),
        ("written(A)", "is not a call"),
        ("written(A jump)", "The verbs are"),
        ("written(A enqueue)", "The verbs are"),
        ("written(A list job-1)", "The verbs are"),
        ("written(AB list)", "is not a client"),
        ("written(A@never list)", "is not a client"),
    ],
)
def test_what_can_not_be_read_is_told_with_what_could_be(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        program_named(text)
