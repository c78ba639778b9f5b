"""A wrapper of deciders that checks whether a run repeats the beginning of an earlier run as planned. A scheduler."""

from __future__ import annotations

from midpipe.faultinject.decide.decider import Decider
from midpipe.faultinject.vocabulary import Decision, Point, RunEnd, WireEvent


class DeterminismCheck:
    """Passes everything on to a decider, and compares one run with the events that it should repeat.

    Attributes:
        diverged: where the run differed from the earlier one, as one clause; empty if it did not.
    """

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._left = list(reversed(decider.repeated))
        self.diverged = ""

    def begin(self) -> bool:
        return self._decider.begin()

    def decide(self, point: Point) -> Decision:
        if self._left and not point.choices[0].position.inside:
            self._compare(point, self._left.pop())
        return self._decider.decide(point)

    def end(self, run: RunEnd) -> None:
        self._decider.end(run)

    def _compare(self, point: Point, expected: WireEvent) -> None:
        position = expected.position
        found = [event.index for event in point.choices if event.position == position]
        if found != [expected.index] and not self.diverged:
            instead = str(found[0]) if found else f"no command of {position.client} that waits"
            self.diverged = f"at wire event {position}, once {expected.index}, once {instead}"
