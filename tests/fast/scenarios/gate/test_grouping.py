"""One cause, one finding: which call is to blame, which findings belong together, and their order."""

from __future__ import annotations

from dataclasses import replace

from midpipe.reports.titles import title_of
from midpipe.scenarios.gate.grouping import culprit_of, one_per_cause
from midpipe.scenarios.model.finding import PlacedFault
from midpipe.scenarios.model.story import (
    CommandSource,
    KeyChange,
    SourceLine,
    StepKind,
    Story,
    StoryCall,
    StoryCommand,
    StoryStep,
    StoryViolation,
)
from midpipe.scenarios.model.verdict import Finding, Severity

PLACE = "operation 1, attempt 1, command 1: RPUSH jobs"


def call(client: str, method: str) -> StoryStep:
    return StoryStep(StepKind.CALL, client, StoryCall(method))


def command(client: str, position: str, name: str, line: int, fault: str = "") -> StoryStep:
    sent = StoryCommand(
        (name, "jobs"),
        position=position,
        place=f"operation 1, attempt 1, command 1: {name} jobs",
        label=f"{name} jobs",
        fault=fault,
        source=CommandSource(SourceLine("shop.py", line, "f")),
    )
    return StoryStep(StepKind.COMMAND, client, command=sent)


def changing(step: StoryStep) -> StoryStep:
    """The same step, with a change of the list of jobs."""
    return replace(step, changes=(KeyChange("jobs", "", "[job-1]"),))


def story(*steps: StoryStep, violations: tuple[StoryViolation, ...] = ()) -> Story:
    return Story("list-vs-enqueue:", steps, violations)


def finding(invariant: str, replay: str, **fields: object) -> Finding:
    made = Finding(
        id="",
        invariant=invariant,
        severity=Severity.HIGH,
        program=replay.partition(":")[0],
        replay=replay,
        claim="It holds.",
        evidence=(f"{invariant} was seen.",),
        operation="enqueue",
        faults=(),
        cases=1,
        story=None,
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # the fields of a Finding, by name


LOST_REPLY = (PlacedFault("lost-reply", "A1", PLACE),)


def test_the_call_that_sent_the_command_with_the_fault_is_to_blame() -> None:
    made = story(
        call("A", "list_jobs"),
        call("B", "enqueue"),
        command("B", "B1", "RPUSH", 7, "lost-reply"),
        command("A", "A1", "KEYS", 9),
    )
    culprit = culprit_of(made, "no-duplicate", "list_jobs")
    assert (culprit.call, culprit.command) == ("enqueue", "RPUSH jobs")
    assert culprit.source == SourceLine("shop.py", 7, "f")


def test_without_a_fault_it_is_the_command_after_which_the_invariant_was_violated() -> None:
    seen = StoryViolation("no-orphan", "After B1 (HSET), job-2 is pending.", "B1")
    made = story(
        call("A", "list_jobs"),
        call("B", "enqueue"),
        command("B", "B1", "HSET", 7),
        command("A", "A1", "KEYS", 9),
        violations=(seen,),
    )
    assert culprit_of(made, "no-orphan", "list_jobs").call == "enqueue"


def test_no_call_is_blamed_that_no_client_made() -> None:
    made = story(call("A", "enqueue"), changing(command("A", "A1", "RPUSH", 7)))
    assert culprit_of(made, "queue-order", "claim").call == "enqueue"


def test_no_call_is_blamed_that_changed_nothing() -> None:
    made = story(
        call("A", "enqueue"),
        changing(command("A", "A1", "RPUSH", 7)),
        call("B", "list_jobs"),
        command("B", "B1", "LRANGE", 9),
    )
    assert culprit_of(made, "queue-order", "claim").call == "enqueue"
    read_only = story(call("B", "list_jobs"), command("B", "B1", "LRANGE", 9))
    culprit = culprit_of(read_only, "queue-order", "claim")
    unfaulted = finding("queue-order", "list:", operation=culprit.call, story=read_only)
    assert title_of(unfaulted) == "The subject hands jobs out in the wrong order, without any fault"


def test_findings_with_the_same_shortest_case_are_one_with_consequences() -> None:
    (one,) = one_per_cause(
        [
            finding("no-duplicate", "same-job-again:", cases=3),
            finding("queue-order", "same-job-again:", severity=Severity.MEDIUM),
            finding("no-lost-job", "same-job-again:", severity=Severity.CRITICAL, cases=2),
        ]
    )
    assert (one.id, one.invariant, one.cases) == ("F1", "no-lost-job", 2)
    assert [each.invariant for each in one.consequences] == ["no-duplicate", "queue-order"]
    assert one.consequences[0].observed == "no-duplicate was seen."


def test_the_same_fault_at_the_same_command_is_one_cause_in_every_program() -> None:
    (one,) = one_per_cause(
        [
            finding("no-lost-job", "enqueue: A1!lost-reply", faults=LOST_REPLY, command="RPUSH"),
            finding(
                "no-duplicate", "enqueue-once: A3!lost-reply", faults=LOST_REPLY, command="RPUSH"
            ),
        ]
    )
    assert one.invariants == ("no-lost-job", "no-duplicate")


def test_the_same_line_that_fails_without_any_fault_is_one_cause_in_every_program() -> None:
    written = "written(C enqueue job-1, A enqueue job-1):"
    line, other_line = (SourceLine("shop.py", number, "enqueue") for number in (7, 9))
    found = one_per_cause(
        [
            finding("no-duplicate", "same-job-again:", source=line, cases=88),
            finding("no-duplicate", written, source=line, cases=10),
            finding("no-duplicate", f"{written} A1 C1", source=line),
            finding("no-duplicate", "enqueue-once:", source=other_line),
            finding("queue-order", "enqueue-once:", source=line),
        ]
    )
    by_itself = next(each for each in found if each.replay == "same-job-again:")
    assert by_itself.cases == 98
    # An order of clients, another line and another invariant are causes of their own, or consequences of one.
    assert {each.replay for each in found} == {
        "same-job-again:",
        f"{written} A1 C1",
        "enqueue-once:",
    }


def test_another_fault_or_another_call_is_another_cause() -> None:
    late = (PlacedFault("late", "A1", PLACE),)
    found = one_per_cause(
        [
            finding("no-lost-job", "enqueue: A1!lost-reply", faults=LOST_REPLY, command="RPUSH"),
            finding("no-lost-job", "enqueue: A1!late", faults=late, command="RPUSH"),
            finding("isolation", "two-workspaces:", operation="get_job"),
            finding("isolation", "two-workspaces:", operation="list_jobs"),
        ]
    )
    assert len(found) == 4


def test_the_most_severe_comes_first_and_then_what_takes_least() -> None:
    found = one_per_cause(
        [
            finding("bad-input", "bad-input:", severity=Severity.MEDIUM),
            finding("no-duplicate", "same-request-twice: A1 B1"),
            finding("no-orphan", "enqueue: A1!lost-reply"),
            finding("no-divergence", "enqueue:"),
        ]
    )
    assert [(one.id, one.invariant) for one in found] == [
        ("F1", "no-divergence"),
        ("F2", "no-duplicate"),
        ("F3", "no-orphan"),
        ("F4", "bad-input"),
    ]
