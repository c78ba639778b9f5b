"""What has changed since an earlier verdict."""

from __future__ import annotations

from dataclasses import replace

from midpipe.reports.since import changes_since
from midpipe.scenarios.model.verdict import AcceptedFinding
from tests.fast.reports.verdicts import FAILED, LOST, LOUD, PASSED

NOW = replace(FAILED, findings=(LOST, replace(LOUD, operation="get_job")))


def test_findings_are_new_still_there_or_gone() -> None:
    summary, new, gone = changes_since(FAILED, NOW)
    assert summary == f"Since {FAILED.started_at}: 1 new, 1 still there, 1 gone."
    assert new == "new: F2 A connection cut before HSET in get_job writes job data to the log"
    assert gone == "gone: A connection cut before HSET in enqueue writes job data to the log"


def test_a_finding_of_another_program_at_another_line_is_still_there() -> None:
    moved = replace(LOST, id="F7", program="enqueue", replay="enqueue: A1:HSET!cut-before")
    assert len(changes_since(FAILED, replace(FAILED, findings=(moved, LOUD)))) == 1


def test_a_partial_run_does_not_call_a_finding_gone() -> None:
    summary, *further = changes_since(FAILED, replace(PASSED, partial=True))
    assert "2 not seen in this run, which was partial" in summary
    assert [line.partition(":")[0] for line in further] == ["not seen", "not seen"]


def test_a_finding_that_a_baseline_accepts_is_still_there() -> None:
    accepted = AcceptedFinding(LOST, "fixed in the next release", "2026-11-30")
    verdict = replace(FAILED, findings=(LOUD,), accepted=(accepted,))
    (summary,) = changes_since(FAILED, verdict)
    assert "0 new, 2 still there, 0 gone" in summary
    assert changes_since(verdict, FAILED) == (summary,)


def test_each_of_two_new_findings_that_are_alike_is_counted() -> None:
    twins = (LOST, replace(LOST, id="F3", program="enqueue"))
    summary, *new = changes_since(PASSED, replace(FAILED, findings=twins))
    assert "2 new, 0 still there, 0 gone" in summary
    assert [line.split()[1] for line in new] == [LOST.id, "F3"]
