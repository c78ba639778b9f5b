"""A baseline: which findings it accepts, when a run with it fails, and what is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.scenarios.model.accepted import NO_BASELINE
from midpipe.scenarios.model.baseline import baseline_of, held_against
from midpipe.scenarios.model.finding import PlacedFault
from midpipe.scenarios.model.verdict import (
    Finding,
    Outcome,
    PartRow,
    PowerLossRow,
    Severity,
    Verdict,
)

EXPLORING = ("sweep",)
LOST = Finding(
    id="F1",
    invariant="no-lost-job",
    severity=Severity.CRITICAL,
    program="work",
    replay="work: A1:LPOP!lost-reply",
    claim="",
    evidence=(),
    operation="work",
    faults=(PlacedFault("lost-reply", "A1", ""),),
    cases=3,
    story=None,
    command="LPOP waiting",
)
RACE = replace(LOST, invariant="no-duplicate", program="work-vs-work", faults=(), command="")


def verdict_with(*findings: Finding, outcome: Outcome = Outcome.FAIL) -> Verdict:
    return Verdict(
        midpipe="",
        subject="",
        again="",
        server="",
        command="",
        started_at="",
        seconds=0.0,
        outcome=outcome,
        parts=(PartRow("sweep", outcome), PartRow("selfcheck", Outcome.PASS)),
        findings=findings,
        ledger=tuple(
            LedgerRow(
                program=program,
                fault="none",
                space=1,
                run=1,
                pruned=0,
                pruned_by={},
                not_reached=0,
                invalid=0,
                violated=0,
            )
            for program in ("work", "work-vs-work")
        ),
    )


ACCEPTED = baseline_of(verdict_with(LOST, RACE), "SHOP-123", "2026-11-30", NO_BASELINE)


def test_a_run_with_accepted_findings_only_passes_and_reports_them_with_their_reason() -> None:
    held = held_against(verdict_with(LOST, RACE), ACCEPTED, EXPLORING)
    assert (held.outcome, held.findings, held.gone) == (Outcome.PASS, (), ())
    assert [row.outcome for row in held.parts] == [Outcome.PASS, Outcome.PASS]
    assert [(each.finding, each.reason, each.date) for each in held.accepted] == [
        (LOST, "SHOP-123", "2026-11-30"),
        (RACE, "SHOP-123", "2026-11-30"),
    ]


@pytest.mark.parametrize(
    "new",
    [
        replace(LOST, invariant="no-ghost"),
        replace(LOST, operation="enqueue"),
        replace(LOST, command="RPUSH waiting"),
        replace(LOST, faults=(PlacedFault("crash", "A1", ""),)),
        replace(RACE, program="enqueue-vs-work"),
    ],
)
def test_a_finding_with_another_cause_is_new_and_fails_the_run(new: Finding) -> None:
    held = held_against(verdict_with(LOST, new), ACCEPTED, EXPLORING)
    assert (held.outcome, held.findings) == (Outcome.FAIL, (new,))
    assert [each.finding for each in held.accepted] == [LOST]


def test_the_same_cause_found_by_another_case_stays_accepted() -> None:
    moved = replace(LOST, id="F7", program="work-twice", replay="work-twice: A4:LPOP!lost-reply")
    assert held_against(verdict_with(moved), ACCEPTED, EXPLORING).findings == ()


def test_what_was_not_found_again_is_gone_if_its_program_was_run() -> None:
    whole = verdict_with(LOST)
    assert [each.invariant for each in held_against(whole, ACCEPTED, EXPLORING).gone] == [
        "no-duplicate"
    ]
    assert held_against(replace(whole, partial=True), ACCEPTED, EXPLORING).gone == ()
    assert held_against(replace(whole, ledger=()), ACCEPTED, EXPLORING).gone == ()


def test_accepted_findings_hide_no_other_failure_and_no_doubt() -> None:
    power_loss = (PowerLossRow("enqueue", 3, 1),)
    torn = replace(verdict_with(LOST), power_loss=power_loss)
    assert held_against(torn, ACCEPTED, EXPLORING).outcome is Outcome.FAIL
    failed = replace(verdict_with(LOST), parts=(PartRow("selfcheck", Outcome.FAIL),))
    assert held_against(failed, ACCEPTED, EXPLORING).outcome is Outcome.FAIL
    partial = replace(verdict_with(LOST), partial=True)
    assert held_against(partial, ACCEPTED, EXPLORING).outcome is Outcome.UNKNOWN


def test_without_a_finding_the_verdict_stays_as_it_is() -> None:
    unknown = verdict_with(outcome=Outcome.UNKNOWN)
    assert held_against(unknown, NO_BASELINE, EXPLORING) == unknown


def test_a_baseline_written_again_keeps_reasons_and_leaves_out_what_is_gone() -> None:
    new = replace(LOST, command="RPUSH waiting")
    held = held_against(verdict_with(LOST, new), ACCEPTED, EXPLORING)
    again = baseline_of(held, "SHOP-456", "2026-12-24", ACCEPTED)
    assert {(each.command, each.reason, each.date) for each in again.findings} == {
        ("LPOP waiting", "SHOP-123", "2026-11-30"),
        ("RPUSH waiting", "SHOP-456", "2026-12-24"),
    }


def test_a_finding_without_a_fault_is_known_in_whichever_program_fuzzing_generates() -> None:
    """Each run generates others, so the finding of a known flaw would be new in the next run."""
    fuzzed = replace(RACE, program="written(C enqueue job-1, A enqueue job-1)")
    again = replace(RACE, program="written(B enqueue job-2 r-2, A enqueue job-2)")
    accepted = baseline_of(verdict_with(fuzzed), "known", "2026-11-30", NO_BASELINE)
    assert held_against(verdict_with(again), accepted, EXPLORING).findings == ()
    assert held_against(verdict_with(RACE), accepted, EXPLORING).findings == (RACE,)
