"""The documents: how they are arranged, and what the short ones leave to the full review."""

from __future__ import annotations

from dataclasses import replace

from midpipe.reports.sinks.documents import document
from midpipe.reports.sinks.markdown import markdown
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.verdict import NotRunRow
from tests.fast.reports.verdicts import PASSED


def test_programs_that_do_not_apply_are_counted_and_listed_where_there_is_room() -> None:
    left_out = NotRunRow("sweep", ("claim-fail", "cancel-then-work"), ("claim", "cancel"))
    verdict = replace(PASSED, not_run=(left_out,))
    note = "Note: 2 programs not run, as the subject lacks their calls. The full review lists them."
    short = document("EXECUTIVE_SUMMARY.txt", verdict)
    assert note in short
    assert "cancel-then-work" not in short
    assert "cancel-then-work" in document("FULL_REVIEW.md", verdict)
    folded = markdown(verdict).partition("<details><summary>2 programs not run")[2]
    assert "cancel-then-work" in folded.partition("</details>")[0]


def test_the_review_summary_has_its_invariants_in_columns_a_line_each() -> None:
    rows = tuple(replace(PASSED.invariants[0], invariant=name) for name in INVARIANTS)
    lines = document("REVIEW_SUMMARY.txt", replace(PASSED, invariants=rows)).splitlines()
    table = lines[-len(rows) :]
    status = str(rows[0].status)
    assert [line.split()[0] for line in table] == list(INVARIANTS)
    assert len({line.index(f" {status} ") for line in table}) == 1
