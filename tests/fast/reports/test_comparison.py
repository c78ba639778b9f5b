"""The comparison page: each finding is numbered in its column, and what was not checked is not a pass."""

from __future__ import annotations

from dataclasses import replace

from midpipe.reports.sinks.comparison import comparison_markdown
from midpipe.scenarios.model.comparison import ASPECTS, Compared
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Outcome, PartRow, Status
from tests.fast.reports.verdicts import FAILED, REPLAY

ROW = Compared(SubjectSpec(requirement="rq==3.0.0"), FAILED, (("enqueue", 1.5),))
PAGE = comparison_markdown([ROW], command="midpipe compare", date="2026-11-30", budget_s=60.0)


def cells() -> dict[str, str]:
    head, row = (line for line in PAGE.splitlines() if line.startswith(("| library", "| rq")))
    return dict(
        zip(*([cell.strip() for cell in line.split("|")] for line in (head, row)), strict=True)
    )


def test_a_finding_stands_in_the_column_of_its_call_and_invariant() -> None:
    assert cells()["enqueue: lost"] == "**1**"
    assert "1. CRITICAL `no-lost-job`" in PAGE
    assert f"`midpipe replay '{REPLAY}' --queue rq==3.0.0" in PAGE


def test_an_invariant_that_no_case_checked_is_no_pass() -> None:
    assert {cells()[aspect.name] for aspect in ASPECTS[3:]} == {"not checked"}


def test_a_run_that_was_cut_short_does_not_say_no() -> None:
    holds = replace(FAILED.invariants[0], invariant="no-duplicate", status=Status.HOLDS)
    for left_out, cell in (("", "no"), ("3 programs: 1 unfinished", "none yet")):
        part = PartRow("sweep", Outcome.UNKNOWN, left_out=left_out)
        verdict = replace(FAILED, parts=(part,), invariants=(holds,), findings=())
        row = Compared(SubjectSpec(requirement="rq==3.0.0"), verdict, ())
        page = comparison_markdown([row], command="", date="", budget_s=1.0)
        assert f"| not checked | {cell} |" in page


def test_the_page_says_what_the_library_promises_and_how_long_its_calls_take() -> None:
    assert "A job whose worker dies goes to the FailedJobRegistry" in PAGE
    assert (cells()["ms enqueue"], cells()["ms work"]) == ("1.5", "–")
