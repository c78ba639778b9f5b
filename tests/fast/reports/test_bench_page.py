"""A bench as one page: its pictures, its figures, and text of a subject that stays text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.reports.sinks.bench_page import bench_page
from midpipe.scenarios.latency.figures import percentiles
from midpipe.scenarios.latency.results import (
    CLOSED,
    OUT_OF_REACH,
    Bench,
    Outage,
    OutageCall,
    Ratio,
    Row,
)
from midpipe.scenarios.model.verdict import Outcome

ROW = Row("subject", "loopback", "enqueue", CLOSED, 4.1, 0, percentiles((1.0, 2.0)))
OUTAGE = Outage(
    "subject",
    OUT_OF_REACH,
    begins_s=1.0,
    ends_s=2.0,
    succeeds_again_s=0.25,
    failed=1,
    longest_ms=30.0,
    calls=(OutageCall(0.0, 1.0, ok=True), OutageCall(1.5, 30.0, ok=False)),
)
BENCH = Bench(
    midpipe="0.1.0",
    command="midpipe bench --outage 1s",
    machine="Linux x86_64, 2 cores, Python 3.11.2",
    server="Valkey 9.1.2 (embedded)",
    started_at="2026-01-02T03:04:05+00:00",
    seconds=12.5,
    rounds=5,
    outcome=Outcome.FAIL,
    rows=(ROW, replace(ROW, network="same-zone")),
    ratios=(Ratio("loopback", "enqueue", CLOSED, 99.0, 1.5, 1.2, 1.7, 0.8, 1.1, Outcome.FAIL),),
    outages=(OUTAGE,),
)


def test_there_is_a_picture_for_each_network_and_each_outage() -> None:
    page = bench_page(BENCH)
    assert page.count("<svg") == 3
    assert "enqueue, same-zone: latency by percentile" in page
    assert "1 of 2 calls raised, the first call succeeded 0.250 s after it" in page


def test_a_ratio_over_its_limit_is_on_the_page() -> None:
    assert "≤ 1.1: fail" in bench_page(BENCH)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x>'])
def test_a_name_of_a_subject_is_text(text: str) -> None:
    row, outage = replace(ROW, subject=text), replace(OUTAGE, subject=text)
    page = bench_page(replace(BENCH, command=text, rows=(row,), outages=(outage,)))
    assert "<script" not in page
    assert "<img" not in page


def test_the_page_names_no_address_and_allows_no_script() -> None:
    page = bench_page(BENCH)
    assert "script-src 'none'" in page
    addresses = page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "http" not in addresses
