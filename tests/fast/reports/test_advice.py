"""What a report says to change follows from the invariant, the command and the call of a finding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.reports.explain import ADVICE, advice_for
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.story import (
    KeyChange,
    StepKind,
    Story,
    StoryArgument,
    StoryCall,
    StoryCommand,
    StoryError,
    StoryStep,
)
from tests.fast.reports.verdicts import LOST


def test_every_invariant_has_its_advice() -> None:
    assert set(ADVICE) == set(INVARIANTS)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("LPOP jobs", "until it has run"),
        ("XREADGROUP", "XAUTOCLAIM"),
        ("XGROUP", "BUSYGROUP"),
        ("EXEC", "one atomic step"),
    ],
)
def test_the_advice_follows_from_the_command_that_met_the_fault(command: str, says: str) -> None:
    lost = replace(LOST, invariant="no-lost-job", command=command)
    assert says in advice_for(lost)


@pytest.mark.parametrize(
    ("error", "says"), [("SubjectDied", "until it has run"), ("ValueError", "one atomic step")]
)
def test_a_job_that_is_lost_with_the_worker_that_it_kills_was_taken_too_early(
    error: str, says: str
) -> None:
    raised = StoryStep(StepKind.RAISE, "A", error=StoryError(error, "ended with exit code -9"))
    story = Story("die-then-work:", (called("A", "work"), raised))
    lost = replace(
        LOST, invariant="no-lost-job", operation="work", command="", faults=(), story=story
    )
    assert says in advice_for(lost)


@pytest.mark.parametrize(
    ("invariant", "call", "says"),
    [
        ("no-duplicate", "complete", "what another worker has finished"),
        ("no-duplicate", "enqueue", "whether the job is known"),
        ("no-lost-job", "claim", "put back what a lease"),
        ("no-lost-job", "tick", "one atomic step"),
        ("no-duplicate", "tick", "out of one place and put it into the next"),
    ],
)
def test_the_advice_follows_from_the_call_to_begin_with(
    invariant: str, call: str, says: str
) -> None:
    finding = replace(LOST, invariant=invariant, operation=call, command="EVAL", faults=())
    assert says in advice_for(finding)


def test_no_advice_speaks_of_what_only_the_reviewed_queue_has() -> None:
    general = {
        name: text for name, text in ADVICE.items() if name not in ("isolation", "no-divergence")
    }
    words = ("workspace", "request key", "schema", "review")
    assert [name for name, text in general.items() if any(word in text for word in words)] == []


@pytest.mark.parametrize(
    ("commands", "says"),
    [
        (("XREADGROUP", "XACK!crash"), "Acknowledge the job after its work is done"),
        (("XREADGROUP", "XACK", "HSET!crash"), "Acknowledge the job after its work is done"),
        (("XREADGROUP!crash", "XACK"), "XAUTOCLAIM"),
        (("XREADGROUP", "XACK", "XREADGROUP!crash"), "XAUTOCLAIM"),
    ],
)
def test_the_advice_follows_from_what_was_acknowledged_before_the_crash(
    commands: tuple[str, ...], says: str
) -> None:
    sent = [name.partition("!") for name in commands]
    steps = (
        StoryStep(StepKind.CALL, "A", StoryCall("work")),
        *(
            StoryStep(StepKind.COMMAND, "A", command=StoryCommand((name,), fault=fault))
            for name, _, fault in sent
        ),
    )
    met = next(name for name, _, fault in sent if fault)
    stuck = replace(
        LOST, invariant="no-stuck-job", operation="work", command=met, story=Story("work:", steps)
    )
    assert says in advice_for(stuck)


@pytest.mark.parametrize(
    ("sent", "says_compare"),
    [
        (("HSET job:1 status completed",), True),
        (("GET job:1:lock", "EXEC"), True),
        (("EVAL <script> 1 job:1 done",), True),
        (("EVAL <script> 1 job:1 7:abc",), False),
        (("EVAL <script> 1 job:1 7",), False),
        (("EVAL <script> 1 job:1 a b c …",), False),
        (("WATCH job:1", "EXEC"), False),
    ],
)
@pytest.mark.parametrize("invariant", ["no-duplicate", "holder-is-served"])
def test_a_queue_is_advised_to_compare_the_token_only_if_a_write_of_the_holder_did_not(
    invariant: str, sent: tuple[str, ...], says_compare: bool
) -> None:
    changed = (KeyChange("job:1", "running", "completed"),)
    reads = ("GET", "WATCH")
    steps = (
        StoryStep(
            StepKind.CALL, "A", StoryCall("complete", (StoryArgument("lease_token", '"7:abc"'),))
        ),
        *(
            StoryStep(
                StepKind.COMMAND,
                "A",
                command=StoryCommand(tuple(words.split())),
                changes=() if words.startswith(reads) else changed,
            )
            for words in sent
        ),
    )
    found = replace(
        LOST, invariant=invariant, operation="complete", command="", story=Story("", steps)
    )
    assert ("Compare the lease token" in advice_for(found)) == says_compare


WAITING = KeyChange("waiting", "[job-1]", "")
RUNNING = KeyChange("running", "", "[job-1]")
TAKEN, PUT_BACK = (WAITING, RUNNING), (RUNNING, WAITING)


def called(client: str, method: str, **arguments: str) -> StoryStep:
    given = tuple(StoryArgument(name, value) for name, value in arguments.items())
    return StoryStep(StepKind.CALL, client, StoryCall(method, given))


def sent(client: str, changes: tuple[KeyChange, ...], fault: str = "") -> StoryStep:
    return StoryStep(
        StepKind.COMMAND, client, command=StoryCommand(("LMOVE",), fault=fault), changes=changes
    )


def returned(client: str) -> StoryStep:
    return StoryStep(StepKind.RETURN, client, value="job-1")


CLAIMED = (called("A", "claim", lease_s="30.0"), sent("A", TAKEN), returned("A"))
TICKED = (called("B", "tick"), sent("B", PUT_BACK), returned("B"))


@pytest.mark.parametrize(
    ("steps", "says_gone"),
    [
        ((*CLAIMED, *TICKED), True),
        ((called("A", "work"), sent("A", TAKEN), *TICKED), True),
        ((called("A", "work"), sent("A", TAKEN), returned("A"), *TICKED), False),
        ((called("A", "claim", lease_s="0.001"), *CLAIMED[1:], *TICKED), False),
        ((*CLAIMED, StoryStep(StepKind.TIME, ""), *TICKED), False),
        ((called("A", "claim"), sent("A", TAKEN, fault="freeze"), *TICKED), False),
        ((*CLAIMED, called("A", "complete"), sent("A", (RUNNING,)), *TICKED), False),
        ((*CLAIMED, called("B", "tick"), sent("B", (RUNNING,)), sent("B", (WAITING,))), True),
        ((*CLAIMED, called("B", "tick"), sent("B", (KeyChange("later", "", "2"), WAITING))), False),
        ((*TICKED, *CLAIMED), False),
    ],
)
@pytest.mark.parametrize("operation", ["tick", "claim"])
def test_periodic_work_that_takes_a_job_from_a_living_worker_is_to_ask_whether_it_is_gone(
    steps: tuple[StoryStep, ...], says_gone: bool, operation: str
) -> None:
    found = replace(
        LOST,
        invariant="no-duplicate",
        operation=operation,
        command="LMOVE waiting",
        faults=(),
        story=Story("tick-vs-tick:", steps),
    )
    assert ("only if its worker is gone" in advice_for(found)) == says_gone
    assert "own earlier run" not in advice_for(found)


@pytest.mark.parametrize(
    ("overtaken_in", "says"), [("job", "compares"), ("other", "periodic work")]
)
def test_a_late_write_over_a_newer_one_is_to_be_compared(overtaken_in: str, says: str) -> None:
    held = StoryCommand(("SET", "job", "active"), position="A3", fault="late", executed="no")
    late = StoryCommand(("SET", "job", "active"), position="A3")
    story = Story(
        "work: A3:SET!late",
        (
            called("A", "work"),
            StoryStep(
                StepKind.COMMAND,
                "A",
                command=StoryCommand(("SET", "job", "queued")),
                changes=(KeyChange("job", "", "queued"),),
            ),
            StoryStep(StepKind.COMMAND, "A", command=held),
            StoryStep(
                StepKind.COMMAND,
                "A",
                command=StoryCommand(("SET", overtaken_in, "failed")),
                changes=(KeyChange(overtaken_in, "queued", "failed"),),
            ),
            StoryStep(
                StepKind.LATE_COMMAND,
                "A",
                command=late,
                changes=(KeyChange("job", "failed", "active"),),
            ),
        ),
    )
    stuck = replace(
        LOST, invariant="no-stuck-job", operation="work", command="SET job", story=story
    )
    assert says in advice_for(stuck)
