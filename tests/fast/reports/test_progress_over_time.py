"""The progress of fuzzing and of campaigns: how it is counted, thinned out, reported and given to Prometheus."""

from __future__ import annotations

from dataclasses import replace

from midpipe.reports.sinks.campaign_metrics import campaign_metrics
from midpipe.reports.sinks.markdown import markdown
from midpipe.reports.sinks.metrics import Metrics
from midpipe.scenarios.campaign.progress import CampaignProgress
from midpipe.scenarios.model.progress import MOST_ROWS, ProgressRow, with_row
from midpipe.scenarios.model.verdict import CoverageRow, FuzzCoverage
from tests.fast.reports.verdicts import FAILED

ROW = ProgressRow(12.5, 1_200, 1, 812)


def test_a_long_run_keeps_few_rows_and_always_the_first_and_the_latest() -> None:
    rows: tuple[ProgressRow, ...] = ()
    for second in range(10 * MOST_ROWS):
        rows = with_row(rows, ProgressRow(second, 0, 0))
        assert (rows[0].seconds, rows[-1].seconds, len(rows) <= MOST_ROWS) == (0, second, True)


def test_shards_that_found_and_covered_the_same_count_it_once() -> None:
    cases = sum(part.cases for part in FAILED.parts)
    kinds = len({(found.invariant, found.operation) for found in FAILED.findings})
    wide, narrow = (
        replace(FAILED, coverage=FuzzCoverage((CoverageRow("enqueue", 2, seen, 9),), 0.0))
        for seen in (7, 4)
    )
    progress = CampaignProgress()
    progress.add(wide, 1.0)
    assert progress.add(narrow, 2.0) == ProgressRow(2.0, 2 * cases, kinds, 7)
    assert (len(progress.rows), progress.done) == (2, 2)


def test_a_report_shows_the_progress() -> None:
    assert "| 12.5 | 1200 | 1 | 812 |" in markdown(replace(FAILED, progress=(ROW,)))


def test_prometheus_reads_the_progress() -> None:
    metrics = Metrics()
    assert metrics.text() == ""
    metrics.show(campaign_metrics(ROW, done=3, shards=8))
    for line in (
        "midpipe_campaign_shards_done 3.0",
        "midpipe_campaign_shards 8.0",
        "midpipe_campaign_cases 1200.0",
        "midpipe_campaign_violation_kinds 1.0",
        "midpipe_campaign_combinations 812.0",
    ):
        assert line in metrics.text().splitlines()
