"""One run decided by drawn numbers: which client goes next, and which fault happens where. A scheduler.

Whoever draws (Hypothesis, dice) knows nothing of events: a number is taken modulo what there is to choose from, and 0
is always the default. So every list of numbers is a run, and smaller numbers are simpler runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faultinject.decide.schedule import PlannedStep, Schedule
from faultinject.decide.sweep import Placeable, default_choice, planned
from faultinject.vocabulary import Decision, FaultRef, Point, RunEnd, WireEvent


class Drawn:
    """Decides one run.

    Args:
        picks: a number for each point of decision; what is missing is 0.
        faults: at the n-th point, from 0, this fault, if it can be placed there.
        placeable: which faults can be placed at an event.
    """

    def __init__(
        self, picks: Sequence[int], faults: Mapping[int, FaultRef], placeable: Placeable
    ) -> None:
        self._picks = picks
        self._faults = faults
        self._placeable = placeable
        self._moves: list[PlannedStep] = []
        self._begun = False

    @property
    def current(self) -> Schedule:
        """The schedule of the run, as far as it has come."""
        return Schedule(tuple(self._moves))

    @property
    def diverged(self) -> str:
        """Nowhere: nothing is repeated."""
        return ""

    @property
    def planned_faults(self) -> tuple[FaultRef, ...]:
        """Every fault that may happen in the run."""
        return tuple(self._faults.values())

    def begin(self) -> bool:
        if self._begun:
            return False
        self._begun = True
        return True

    def restart(self) -> None:
        """The same run is made again, from its beginning."""
        self._moves = []

    def decide(self, point: Point) -> Decision:
        if point.choices[0].position.inside:
            return Decision(point.choices[0])
        number = len(self._moves)
        event = self._picked(point, self._picks[number] if number < len(self._picks) else 0)
        fault = self._faults.get(number)
        if fault is not None and fault not in self._placeable(event):
            fault = None
        self._moves.append(planned(event, fault) if fault else PlannedStep(event.position))
        return Decision(event, fault)

    def end(self, run: RunEnd) -> None:
        """Nothing to learn: there is one run."""

    def _picked(self, point: Point, number: int) -> WireEvent:
        default = default_choice(point)
        others = [event for event in point.choices if event.position != default.position]
        return [default, *others][number % len(point.choices)]
