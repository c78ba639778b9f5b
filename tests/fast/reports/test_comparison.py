"""The comparison page: each finding is numbered in its column, and what was not checked is not a pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.reports.sinks.comparison import (
    comparison_markdown,
    read_comparison,
    write_comparison,
)
from midpipe.scenarios.model.comparison import (
    ASPECTS,
    CallTimes,
    Compared,
    Comparison,
    Measured,
    Rate,
    Times,
    checked_in,
    shown,
    unchecked_in,
)
from midpipe.scenarios.model.messages import Exposure, TimedCall
from tests.fast.reports.verdicts import CASE, FAILED, REPLAY

ROW = Compared(
    "rq",
    "3.0.0",
    promises="delivery at-least-once",
    documented="A job whose worker dies goes to the FailedJobRegistry (python-rq.org, Workers).",
    cases=12,
    findings=tuple(shown(finding, "--queue rq==3.0.0") for finding in FAILED.findings),
    checked=checked_in(FAILED),
    unchecked=unchecked_in(FAILED),
    calls=(CallTimes("enqueue", Times(9, 1.5, 2.0), Times(4, 3.25, 260.0)),),
    recovered_after_s=61.0,
    rate=Rate(0.7, 0.3, 120.0, 200),
)


def page_of(*rows: Compared) -> str:
    return comparison_markdown(
        Comparison("0.1.0", "midpipe compare", "2026-11-30", "Valkey 9.1", 60.0, rows)
    )


def cells(page: str) -> dict[str, str]:
    """Return the cells of the first row of each table, by the column's name."""
    found: dict[str, str] = {}
    rows = [line for line in page.splitlines() if line.startswith(("| library", "| rq"))]
    for head, row in zip(rows[::2], rows[1::2], strict=True):
        words = ([cell.strip() for cell in line.split("|")] for line in (head, row))
        found.update(zip(*words, strict=True))
    return found


def test_a_finding_stands_in_the_column_of_its_call_and_invariant() -> None:
    page = page_of(ROW)
    assert cells(page)["enqueue: lost"] == "**1**"
    assert "1. CRITICAL `no-lost-job`" in page
    assert f"`midpipe replay '{REPLAY}' --queue rq==3.0.0" in page


def test_an_invariant_that_no_case_checked_is_no_pass() -> None:
    page = page_of(ROW)
    assert {cells(page)[aspect.name] for aspect in ASPECTS[3:]} == {"not checked"}


@pytest.mark.parametrize(
    ("left_out", "cell"), [("", "no"), ("3 programs: 1 unfinished", "none yet")]
)
def test_a_run_that_was_cut_short_does_not_say_no(left_out: str, cell: str) -> None:
    row = replace(ROW, findings=(), checked=("no-duplicate",), left_out=left_out)
    assert cells(page_of(row))["worker: doubled"] == cell


def test_the_page_says_what_was_measured_of_each_library() -> None:
    found = cells(page_of(ROW))
    assert (found["enqueue, ms"], found["jobs/s"]) == ("0.7 (0.3)", "120")
    assert found["enqueue under a fault, ms"] == "3.25 (1.5), at most 260"
    assert (found["work under a fault, ms"], found["recovery"]) == ("–", "61 s")


def test_the_page_says_by_what_a_library_was_judged_and_whose_settings_it_has() -> None:
    safe = replace(ROW, name="rq-safe", variant_of="rq", settings="With retries.", findings=())
    page = page_of(ROW, safe)
    assert "A job whose worker dies goes to the FailedJobRegistry" in page
    assert "rq as its documentation recommends" in page
    assert "No other settings" not in page
    assert "No other settings" in page_of(ROW)


def test_a_library_that_could_not_be_judged_has_its_reason_and_no_row() -> None:
    page = page_of(replace(ROW, reason="It can't be hosted."))
    assert "Not judged: It can't be hosted." in page
    assert "| rq" not in page


def test_a_stored_comparison_is_printed_again_as_it_was(tmp_path: Path) -> None:
    comparison = Comparison("0.1.0", "midpipe compare", "2026-11-30", "Valkey 9.1", 60.0, (ROW,))
    write_comparison(comparison, tmp_path / "stored.json")
    assert read_comparison(tmp_path / "stored.json") == comparison


def test_a_file_without_a_comparison_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"rows": 1}')
    with pytest.raises(UsageError, match="holds no comparison"):
        read_comparison(tmp_path / "other.json")


def test_calls_are_timed_by_what_they_met() -> None:
    measured = Measured()
    times = (
        (Exposure.BEFORE, 1.0),
        (Exposure.BEFORE, 3.0),
        (Exposure.HIT, 9.0),
        (Exposure.AFTER, 7.0),
    )
    calls = tuple(TimedCall("enqueue", exposure, ms) for exposure, ms in times)
    for recovered in (None, 2.0, 1.0):
        measured.take(replace(CASE, calls=calls, recovered_after_s=recovered))
    assert measured.calls() == (CallTimes("enqueue", Times(6, 2.0, 3.0), Times(3, 9.0, 9.0)),)
    assert measured.recovered_after_s == 2.0
