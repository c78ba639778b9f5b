"""What follows from the cases of a sweep: rows, findings, their order, their shortest case, their neighbour."""

from __future__ import annotations

from dataclasses import replace

from midpipe.scenarios.gate.tally import Tally, ViolationGroup
from midpipe.scenarios.model.evidence import Traits, ViolationEvidence
from midpipe.scenarios.model.messages import CaseEnded, Exposure, TimedCall
from midpipe.scenarios.model.record import Unconfirmed, Violation
from midpipe.scenarios.model.verdict import CheckerCrash, Status

TRAITS = Traits(frozenset({"enqueue", "get_job"}), white_box=True, new_schema=False)


def ended(
    replay: str,
    *violated: str,
    valid: bool = True,
    crashes: tuple[CheckerCrash, ...] = (),
    confirmed: bool = True,
    once: str = "",
) -> CaseEnded:
    """A case that violates the named invariants, each with a sentence of its own."""
    return CaseEnded(
        program=replay.partition(":")[0],
        replay=replay,
        fault=replay.partition("!")[2] or "none",
        faults=replay.count("!"),
        valid=valid,
        invalid_reason="" if valid else "the fault did not fire",
        violations=tuple(
            Violation(name, (ViolationEvidence(f"{replay} broke it.", "enqueue"),))
            for name in violated
        ),
        observations=(("no-lost-job", 1), ("no-orphan", 0)),
        crashes=crashes,
        seconds=(0.0, 0.0, 0.0, 0.0),
        confirmed=violated if confirmed else (),
        unconfirmed=(
            (Unconfirmed(Violation(once, (ViolationEvidence("It broke."),)), 0, 2),) if once else ()
        ),
    )


def tally_of(*cases: CaseEnded) -> Tally:
    tally = Tally()
    for case in cases:
        tally.add(case)
    return tally


def status(tally: Tally, invariant: str) -> Status:
    rows = {row.invariant: row.status for row in tally.invariant_rows(TRAITS)}
    return rows[invariant]


def test_an_invariant_that_saw_something_and_did_not_fall_holds() -> None:
    assert status(tally_of(ended("enqueue:")), "no-lost-job") is Status.HOLDS


def test_an_invariant_that_saw_nothing_is_unknown() -> None:
    assert status(tally_of(ended("enqueue:")), "no-orphan") is Status.UNKNOWN


def test_an_invariant_whose_checker_crashed_is_unknown() -> None:
    crashed = tally_of(ended("enqueue:", crashes=(CheckerCrash("no-lost-job", "KeyError: 'x'"),)))
    assert status(crashed, "no-lost-job") is Status.UNKNOWN


def test_an_invariant_that_does_not_apply_neither_holds_nor_passes() -> None:
    assert status(tally_of(ended("enqueue:")), "no-divergence") is Status.NOT_APPLICABLE


def test_an_invalid_case_yields_no_finding() -> None:
    tally = tally_of(ended("enqueue: A1!late", "no-lost-job", valid=False))
    assert (tally.ranked(), tally.invalid) == ((), [("enqueue: A1!late", "the fault did not fire")])


def test_a_finding_keeps_its_shortest_case_whichever_came_first() -> None:
    two, one = "enqueue: A1!late A2!late", "enqueue: A2!late"
    for cases in ((two, one), (one, two)):
        (group,) = tally_of(*(ended(case, "no-lost-job") for case in cases)).ranked()
        assert group == ViolationGroup(
            invariant="no-lost-job",
            method="enqueue",
            replay=one,
            program="enqueue",
            faults=1,
            evidence=(f"{one} broke it.",),
            cases=2,
            confirmed=True,
            replays=cases,
        )


def test_a_finding_names_the_call_that_met_the_fault() -> None:
    calls = (
        TimedCall("enqueue", Exposure.BEFORE, 1.0),
        TimedCall("work", Exposure.HIT, 2.0),
        TimedCall("work", Exposure.AFTER, 1.0),
    )
    case = replace(ended("enqueue-then-work: A2!late", "no-lost-job"), calls=calls)
    assert [(group.method, group.hit) for group in tally_of(case).ranked()] == [("enqueue", "work")]


def test_findings_come_worst_first() -> None:
    tally = tally_of(ended("enqueue: A1!late", "quiet-logs", "no-duplicate", "no-lost-job"))
    assert [group.invariant for group in tally.ranked()] == [
        "no-lost-job",
        "no-duplicate",
        "quiet-logs",
    ]


def test_the_neighbour_is_the_nearest_case_that_passes() -> None:
    tally = tally_of(
        ended("enqueue:"),
        ended("enqueue: A1!late"),
        ended("enqueue: A2!late", "no-lost-job"),
        ended("enqueue: A4!late"),
    )
    (group,) = tally.ranked()
    assert tally.neighbour_of(group) == "enqueue: A1!late"


def test_a_case_that_violates_nothing_is_a_better_neighbour_than_a_nearer_one() -> None:
    lost, quiet = ended("enqueue: A2!late", "no-lost-job"), ended("enqueue: A1!late", "quiet-logs")
    tally = tally_of(lost, quiet, ended("enqueue: A4!late"))
    assert tally.neighbour_of(tally.ranked()[0]) == "enqueue: A4!late"
    tally = tally_of(lost, quiet)
    assert tally.neighbour_of(tally.ranked()[0]) == "enqueue: A1!late"


def test_a_finding_in_every_case_has_no_neighbour() -> None:
    tally = tally_of(ended("enqueue:", "no-lost-job"))
    (group,) = tally.ranked()
    assert tally.neighbour_of(group) is None


def test_a_violation_that_did_not_show_again_is_unknown_and_no_finding() -> None:
    tally = tally_of(ended("enqueue: A1:HSET!late", once="no-lost-job"), ended("enqueue:"))
    assert (status(tally, "no-lost-job"), tally.ranked()) == (Status.UNKNOWN, ())
    assert tally.unconfirmed == [
        (
            "enqueue: A1:HSET!late",
            "no-lost-job",
            "no-lost-job was violated once (It broke), and in none of 2 further runs; 2 are needed to confirm it",
        )
    ]


def test_a_finding_keeps_a_confirmed_case_rather_than_a_shorter_one_that_is_not() -> None:
    confirmed, shorter = (
        ended("get: A2:HGETALL!late", "no-lost-job"),
        ended("enqueue:", "no-lost-job", confirmed=False),
    )
    for cases in ((confirmed, shorter), (shorter, confirmed)):
        (group,) = tally_of(*cases).ranked()
        assert (group.replay, group.cases) == ("get: A2:HGETALL!late", 2)


def test_a_case_that_is_unknown_is_no_neighbour_that_passes() -> None:
    tally = tally_of(
        ended("enqueue: A1:HSET!late", "no-lost-job"),
        ended("enqueue: A1:HSET!stall", once="no-lost-job"),
    )
    assert tally.neighbour_of(tally.ranked()[0]) is None


def test_a_group_keeps_the_replay_line_of_each_of_its_cases() -> None:
    cases = ("enqueue: A2!late", "enqueue: A1!late", "same-request-again: A1!lost-reply")
    (group,) = tally_of(*(ended(case, "no-lost-job") for case in cases)).ranked()
    assert (group.replays, group.cases) == (cases, 3)


def test_a_result_that_no_job_shows_does_not_apply_and_leaves_no_doubt() -> None:
    takes_results = replace(
        TRAITS, methods=TRAITS.methods | {"complete"}, accepts={"complete": frozenset({"result"})}
    )
    (row,) = (
        row
        for row in tally_of(ended("enqueue:")).invariant_rows(takes_results)
        if row.invariant == "result-is-kept"
    )
    assert row.status is Status.NOT_APPLICABLE
    assert row.note == "no job that was read back after its end had a result"
