"""The pictures of a bench can be read in black and white."""

from __future__ import annotations

import re

from midpipe.reports.latency_picture import by_percentile, through_outage
from midpipe.scenarios.latency.entrants import entrants_for
from midpipe.scenarios.latency.figures import percentiles
from midpipe.scenarios.latency.results import FAILOVER, Outage, OutageCall, Row
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec


def test_every_queue_of_the_longest_bench_has_a_line_of_its_own() -> None:
    entrants = entrants_for(SubjectSpec(REFERENCE), None, with_known=True)
    rows = [
        Row(
            subject=each.name,
            network="loopback",
            operation="enqueue",
            mode="closed",
            round_trips=1.0,
            errors=0,
            percentiles=percentiles((1.0, 2.0)),
        )
        for each in entrants
    ]
    picture = by_percentile("enqueue", rows)
    dashes = re.findall(r'stroke="currentColor" stroke-dasharray="([^"]*)"', picture)
    assert len(set(dashes)) == len(entrants)


def test_an_outage_that_no_call_outlasts_stays_within_the_picture() -> None:
    outage = Outage("q", FAILOVER, 1.0, 8.0, None, 1, 30.0, (OutageCall(2.0, 30.0, ok=False),))
    left, width = map(
        float, re.findall(r'outage" x="([\d.]+)".*? width="([\d.]+)"', through_outage(outage))[0]
    )
    axis = re.findall(r'points="[\d.]+,[\d.]+ ([\d.]+),', through_outage(outage))
    assert left + width <= float(axis[0])
