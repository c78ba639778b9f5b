"""Judging a case: what is asked of the invariants, and what their answers come to."""

from __future__ import annotations

from dataclasses import replace

from midpipe.scenarios.case.judge import judge
from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    ViolationEvidence,
    needs_one_of,
)
from midpipe.scenarios.model.record import Violation
from midpipe.scenarios.model.verdict import CheckerCrash, Severity
from tests.fast.scenarios.invariants.histories import call, evidence

UNTRUE = ViolationEvidence("It is not true.")


def violated(_: Evidence) -> Judgement:
    return Judgement(2, (UNTRUE,))


def crashing(_: Evidence) -> Judgement:
    raise KeyError("job-1")


INVARIANT = Invariant("claim", "finally", "It is true.", Severity.HIGH, violated)


def test_a_violation_is_kept_with_its_evidence_and_the_number_of_observations() -> None:
    judged = judge(evidence(call()), [INVARIANT])
    assert judged.violations == (Violation("claim", (UNTRUE,)),)
    assert judged.observations == (("claim", 2),)


def test_a_check_that_crashes_neither_passes_nor_stops_the_others() -> None:
    broken = replace(INVARIANT, id="broken", check=crashing)
    judged = judge(evidence(call()), [broken, INVARIANT])
    assert judged.crashes == (CheckerCrash("broken", "KeyError: 'job-1'"),)
    assert [name for name, _ in judged.observations] == ["claim"]


def test_an_invariant_that_does_not_apply_to_the_subject_is_not_checked() -> None:
    needy = replace(INVARIANT, why_not=needs_one_of("no_such_call"))
    assert judge(evidence(call()), [needy]).observations == ()


def test_calls_that_must_all_be_refused_are_judged_by_the_invariants_for_that_alone() -> None:
    malformed = replace(evidence(call()), malformed=True)
    for_malformed = replace(INVARIANT, id="bad-input", on_malformed=True)
    judged = judge(malformed, [INVARIANT, for_malformed])
    assert [name for name, _ in judged.observations] == ["bad-input"]
