"""A wrapper of planners that counts in the ledger how each run ended. A scheduler."""

from __future__ import annotations

from midpipe.faultinject.decide.decider import Planner
from midpipe.faultinject.vocabulary import Decision, Point, RunEnd


class Counting:
    """Passes everything on to a planner, and counts the runs that end."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def begin(self) -> bool:
        return self._planner.begin()

    def decide(self, point: Point) -> Decision:
        return self._planner.decide(point)

    def end(self, run: RunEnd) -> None:
        """Let the planner take note of the run, then count it."""
        self._planner.end(run)
        self._planner.ledger.ended(
            self._planner.label, self._planner.place, valid=run.valid, violated=bool(run.violated)
        )
