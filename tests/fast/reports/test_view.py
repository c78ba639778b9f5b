"""The picture of a case: a lane for each client and the server, the fault marked, key contents beside it."""

from __future__ import annotations

import pytest

from midpipe.reports.view import LEFT, WIDTH, Line, picture
from midpipe.scenarios.model.verdict import KeyChange, Story, StoryStep
from tests.fast.reports.verdicts import STORY


def command(
    client: str, position: str, text: str, fault: str = "", executed: str = "yes", reply: str = "0"
) -> StoryStep:
    return StoryStep("command", client, text, position, "", fault, executed, reply)


TWO = Story(
    "same-request-twice: A1 B1",
    (
        StoryStep("call", "R", "before the case: get_job()"),
        StoryStep("call", "A", 'enqueue(job_id="job-1", client_request_id="r-1")'),
        StoryStep("call", "B", 'enqueue(job_id="job-2", client_request_id="r-1")'),
        command("A", "A1", "EXISTS ai:idempotency:acme:r-1"),
        command(
            "B", "B1", "EXISTS ai:idempotency:acme:r-1", fault="cut-before", executed="no", reply=""
        ),
        command("A", "A2", "MULTI; HSET ai:jobs:job-1 status pending; EXEC", fault="lost-reply"),
        StoryStep("answer", "A", "enqueue → True"),
        StoryStep("raise", "B", "enqueue raised ConnectionError: reset"),
        StoryStep("recovery", "R", "get_job() → None"),
    ),
    ("no-duplicate: request r-1 ended in 2 jobs.",),
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


def test_what_a_step_changed_stands_beside_the_server_s_lane() -> None:
    changes = (
        KeyChange("ai:queue:pending", "[job-1]", "[job-1, job-2]"),
        KeyChange("ai:new", "", "'1'"),
        KeyChange("ai:gone", "'1'", ""),
    )
    story = Story("p:", (StoryStep("command", "A", "X", "A1", executed="yes", changes=changes),))
    assert [line.right for line in picture(story) if line.tone == "quiet"] == [
        "│  ~ ai:queue:pending: [job-1] → [job-1, job-2]",
        "│  + ai:new = '1'",
        "│  - ai:gone (was '1')",
    ]


def test_a_change_that_has_no_room_takes_two_lines() -> None:
    before, after = "{status: 'pending', … 9 fields}", "{status: 'running', … 10 fields}"
    change = (KeyChange("ai:job:acme:job-1", before, after),)
    story = Story("p:", (StoryStep("command", "A", "X", "A1", changes=change),))
    assert [line.right for line in picture(story) if line.tone == "quiet"] == [
        "│  ~ ai:job:acme:job-1: {status: 'pending'}",
        "│    → {status: 'running'}",
    ]


def test_how_loud_a_line_is_follows_from_what_it_tells() -> None:
    tones = [line.tone for line in picture(STORY)]
    assert tones == ["plain", "plain", "plain", "quiet", "fault", "bad", "bad"]


@pytest.mark.parametrize("client_ids", ["A", "AB", "ABC"])
@pytest.mark.parametrize("length", [1, 30, 300])
@pytest.mark.parametrize("fault", ["", "lost-reply", "cut-before"])
def test_no_line_is_wider_than_a_page_and_every_lane_stays_where_it_is(
    client_ids: str, length: int, fault: str
) -> None:
    executed = "no" if fault == "cut-before" else "yes"
    change = (KeyChange("k" * length, "b" * length, "a" * length),)
    word = "x" * length
    steps = tuple(
        step
        for client_id in client_ids
        for step in (
            StoryStep("call", client_id, f"{word}()"),
            StoryStep("command", client_id, word, "A1", "", fault, executed, word, change),
            StoryStep("raise", client_id, f"x raised {word}"),
        )
    )
    lines = picture(Story("p:", steps))[: 1 + 5 * len(steps)]
    assert max(len(str(line)) for line in lines) <= WIDTH
    lanes = {line.text.index("│") for line in lines if line.tone == "quiet"}
    assert lanes == {0}
    servers = {LEFT + len(line.text) for line in lines if line.right}
    assert len(servers) == 1


def test_a_story_without_steps_is_its_verdict() -> None:
    assert picture(Story("p:", (), ("x: fell.",))) == (Line("bad", "✗", "x: fell."),)
