"""How often an exploration reports where it stands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.ledger import Ledger
from midpipe.scenarios.explore.preparing import with_progress
from midpipe.scenarios.model.messages import CaseEnded, ExplorationProgress
from tests.fast.reports.verdicts import CASE

STANDS = Frontier(branches=(), ledger=Ledger())
CASE_S = 0.5


class Exploration:
    """10,000 cases of half a second each, and a receiver of what is reported between them."""

    def __init__(self, report_s: float) -> None:
        self.report_s = report_s
        self.now_s = 100.0
        self.reported_at_s: list[float] = []

    def cases(self) -> Iterator[CaseEnded]:
        for _ in range(10_000):
            self.now_s += CASE_S
            yield CASE

    def run(self) -> None:
        for message in with_progress(self.cases(), lambda: STANDS, lambda: self.now_s):
            if isinstance(message, ExplorationProgress):
                self.reported_at_s.append(self.now_s)
                self.now_s += self.report_s


def test_an_exploration_says_every_few_cases_where_it_stands() -> None:
    exploration = Exploration(report_s=0.0)
    exploration.run()
    at_s = exploration.reported_at_s
    assert max(after - before for before, after in itertools.pairwise(at_s)) <= 2.0


@pytest.mark.parametrize("report_s", [0.2, 1.0, 3.0])
def test_reports_that_take_long_leave_the_time_to_the_cases(report_s: float) -> None:
    exploration = Exploration(report_s)
    exploration.run()
    reporting_s = report_s * len(exploration.reported_at_s)
    assert 0 < reporting_s <= 0.05 * (exploration.now_s - 100.0)
