"""The picture of a case: a lane for each client and one for the server, the fault marked, key contents beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.reports.view import LEFT, WIDTH, Line, picture
from midpipe.scenarios.model.story import (
    CommandSource,
    KeyChange,
    SourceLine,
    StepKind,
    Story,
    StoryArgument,
    StoryCall,
    StoryCommand,
    StoryError,
    StoryStep,
    StoryViolation,
)
from tests.fast.reports.verdicts import STORY


def called(method: str, **arguments: str) -> StoryCall:
    return StoryCall(method, tuple(StoryArgument(*each) for each in arguments.items()))


def command(
    client: str, position: str, text: str, fault: str = "", executed: str = "yes", reply: str = "0"
) -> StoryStep:
    """A command at the proxy; ``;`` separates the commands of a MULTI … EXEC block."""
    *block, last = (tuple(words.split()) for words in text.split("; "))
    sent = StoryCommand(last, position, tuple(block), fault=fault, executed=executed, reply=reply)
    return StoryStep(StepKind.COMMAND, client, command=sent)


TWO = Story(
    "same-request-twice: A1 B1",
    (
        StoryStep(StepKind.PREPARATION, "R", called("get_job")),
        StoryStep(
            StepKind.CALL, "A", called("enqueue", job_id='"job-1"', client_request_id='"r-1"')
        ),
        StoryStep(
            StepKind.CALL, "B", called("enqueue", job_id='"job-2"', client_request_id='"r-1"')
        ),
        command("A", "A1", "EXISTS ai:idempotency:acme:r-1"),
        command(
            "B", "B1", "EXISTS ai:idempotency:acme:r-1", fault="cut-before", executed="no", reply=""
        ),
        command("A", "A2", "HSET ai:jobs:job-1 status pending; EXEC", fault="lost-reply"),
        StoryStep(StepKind.RETURN, "A", called("enqueue"), value="True"),
        StoryStep(
            StepKind.RAISE, "B", called("enqueue"), error=StoryError("ConnectionError", "reset")
        ),
        StoryStep(StepKind.RECOVERY, "R", called("get_job"), value="None"),
    ),
    (StoryViolation("no-duplicate", "request r-1 ended in 2 jobs."),),
)


def test_two_clients_have_a_lane_each_and_so_has_the_server() -> None:
    assert [str(line) for line in picture(TWO)] == [
        "      before the case: get_job()",
        "      A                   B                                 server",
        "      ●  enqueue(job-1, r-1)                                │",
        "      │                   ●  enqueue(job-2, r-1)            │",
        "A1    ├── EXISTS ai:idempotency:acme:r-1 ──────────────────▶│ 0",
        "B1    │                   ├── EXISTS ai:id… ─ ✂ cut-before  │ never runs it",
        "A2    ├── MULTI; HSET ai:jobs:job-1 status pending; EXEC ──▶│ runs it 0",
        "      │                   │                  ✂ lost-reply ◀─│",
        "      ○  → True           │                                 │",
        "      │                   ✗  raised ConnectionError: reset  │",
        "then  get_job() → None",
        "✗     no-duplicate: request r-1 ended in 2 jobs.",
    ]


def test_changed_keys_stand_beside_the_server_s_lane() -> None:
    changes = (
        KeyChange("ai:queue:pending", "[job-1]", "[job-1, job-2]"),
        KeyChange("ai:new", "", "'1'"),
        KeyChange("ai:gone", "'1'", ""),
    )
    story = Story("p:", (replace(command("A", "A1", "X"), changes=changes),))
    assert [line.right for line in picture(story) if line.tone == "quiet"] == [
        "│  ~ ai:queue:pending: [job-1] → [job-1, job-2]",
        "│  + ai:new = '1'",
        "│  - ai:gone (was '1')",
    ]


def test_a_change_that_has_no_room_takes_two_lines() -> None:
    before, after = "{status: 'pending'}", "{status: 'running'}"
    change = (KeyChange("ai:job:acme:job-1", before, after),)
    story = Story("p:", (replace(command("A", "A1", "X"), changes=change),))
    assert [line.right for line in picture(story) if line.tone == "quiet"] == [
        "│  ~ ai:job:acme:job-1: {status: 'pending'}",
        "│    → {status: 'running'}",
    ]


def test_the_tone_of_a_line_follows_from_its_step() -> None:
    tones = [line.tone for line in picture(STORY)]
    assert tones == ["plain", "plain", "plain", "quiet", "fault", "bad", "bad"]


@pytest.mark.parametrize("client_ids", ["A", "AB", "ABC"])
@pytest.mark.parametrize("length", [1, 30, 300])
@pytest.mark.parametrize("fault", ["", "lost-reply", "cut-before"])
@pytest.mark.parametrize("width", [80, WIDTH, 160])
def test_no_line_is_wider_than_a_page_and_every_lane_stays_where_it_is(
    client_ids: str, length: int, fault: str, width: int
) -> None:
    executed = "no" if fault == "cut-before" else "yes"
    change = (KeyChange("k" * length, "b" * length, "a" * length),)
    word = "x" * length
    steps = tuple(
        step
        for client_id in client_ids
        for step in (
            StoryStep(StepKind.CALL, client_id, called(word)),
            replace(command(client_id, "A1", word, fault, executed, word), changes=change),
            StoryStep(StepKind.RAISE, client_id, called("x"), error=StoryError("E", word)),
        )
    )
    lines = picture(Story("p:", steps), width)[: 1 + 5 * len(steps)]
    assert max(len(str(line)) for line in lines) <= width
    lanes = {line.text.index("│") for line in lines if line.tone == "quiet"}
    assert lanes == {0}
    servers = {LEFT + len(line.text) for line in lines if line.right}
    assert len(servers) == 1


def test_a_story_without_steps_shows_its_violations() -> None:
    story = Story("p:", (), (StoryViolation("x", "seen."),))
    assert picture(story) == (Line("bad", "✗", "x: seen."),)


def test_only_a_valid_case_without_a_violation_is_said_to_hold() -> None:
    steps = (StoryStep(StepKind.CALL, "A", called("get_job")),)
    assert str(picture(Story("p:", steps))[-1]) == "✓     Every invariant holds."
    invalid = Story("p:", steps, invalid_reason="the fault did not fire")
    assert str(picture(invalid)[-1]) == "?     This case is invalid: the fault did not fire"


def test_a_call_shows_its_attempt_its_version_and_a_stand_by_worker() -> None:
    again = replace(called("claim"), attempt=2, version="new code")
    standby = replace(called("claim"), standby=True)
    steps = tuple(StoryStep(StepKind.CALL, "A", call) for call in (again, standby))
    assert [line.text.rstrip() for line in picture(Story("p:", steps))[1:-1]] == [
        "●  claim()  (attempt 2)",
        "│  [new code]",
        "●  claim()  (stand-by worker)",
    ]


def test_steps_outside_the_lanes_say_when_they_happen() -> None:
    steps = (
        StoryStep(StepKind.SEED, "R", command=StoryCommand(("SET", "k", "v"))),
        StoryStep(StepKind.SERVER, "", text="the server is restarted"),
        StoryStep(
            StepKind.RECOVERY, "R", called("get_job", job_id='"j"'), error=StoryError("E", "no")
        ),
    )
    assert [str(line) for line in picture(Story("p:", steps))[:-1]] == [
        "      before the case, midpipe writes SET k v",
        "then  the server is restarted",
        'then  get_job(job_id="j") → E: no',
    ]


@pytest.mark.parametrize(("width", "shown"), [(WIDTH, "shop.py:71 GET k"), (80, ":71 GET k")])
def test_a_command_shows_the_line_that_sent_it(width: int, shown: str) -> None:
    step = command("A", "A1", "GET k")
    assert step.command is not None
    source = CommandSource(SourceLine("src/shop.py", 71, "read"))
    sent = replace(step, command=replace(step.command, source=source))
    assert picture(Story("p:", (sent,)), width)[1].text.startswith(f"├── {shown} ─")


@pytest.mark.parametrize(("fault", "mark"), [("elapse=60", "⏱ elapse=60"), ("crash", "✂ crash")])
def test_time_that_passes_does_not_look_like_a_cut(fault: str, mark: str) -> None:
    lines = [
        str(line) for line in picture(Story("enqueue:", (command("A", "A1", "GET x", fault),)))
    ]
    assert any(f"{mark} ◀─" in line for line in lines)
