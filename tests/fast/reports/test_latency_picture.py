"""The pictures of a bench can be read in black and white."""

from __future__ import annotations

import re

from midpipe.reports.latency_picture import by_percentile
from midpipe.scenarios.latency.entrants import entrants_for
from midpipe.scenarios.latency.figures import percentiles
from midpipe.scenarios.latency.results import Row
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec


def test_every_queue_of_the_longest_bench_has_a_line_of_its_own() -> None:
    entrants = entrants_for(SubjectSpec(REFERENCE), None, with_known=True)
    rows = [
        Row(each.name, "loopback", "enqueue", "closed", 1.0, 0, percentiles((1.0, 2.0)))
        for each in entrants
    ]
    picture = by_percentile("enqueue", rows)
    dashes = re.findall(r'stroke="#000" stroke-dasharray="([^"]*)"', picture)
    assert len(set(dashes)) == len(entrants)
