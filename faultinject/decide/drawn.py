"""One run decided by drawn numbers: which client goes next, and which fault happens where. A scheduler.

The source of the numbers (Hypothesis) knows nothing about events: a number is taken modulo the number of choices, and
0 follows the order in which the calls were written. So every list of numbers is a run, and smaller numbers are simpler
runs. A fault is placed by operation and command, so it stays in place when Hypothesis removes another client's calls
from the program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from midpipe.faultinject.decide.decider import SingleRun
from midpipe.faultinject.decide.schedule import PlannedStep, Schedule, planned
from midpipe.faultinject.decide.scheduler import default_choice
from midpipe.faultinject.faults import Placeable
from midpipe.faultinject.vocabulary import Decision, FaultRef, Point, WireEvent


@dataclass(frozen=True, slots=True)
class FaultAt:
    """A fault at one command of a client's program.

    Args:
        client: the client's id.
        operation: number of the client's operation, from 1.
        command: number of the command within the attempt, from 1; commands inside MULTI … EXEC count.
        attempt: number of the caller's attempt at that operation, from 1.
    """

    client: str
    operation: int
    command: int
    fault: FaultRef
    attempt: int = 1

    def is_at(self, event: WireEvent) -> bool:
        """Whether the fault belongs to this event."""
        index = event.index
        here = (event.position.client, index.operation, index.attempt, index.command)
        return here == (self.client, self.operation, self.attempt, self.command)


class Drawn(SingleRun):
    """Decides one run by drawn numbers.

    Args:
        picks: a number for each point of decision; after the last one, 0.
        faults: placed wherever the event allows them.
        placeable: returns the faults that can be placed at an event.
        order: the client of each call, in the order in which the calls were written.
    """

    def __init__(
        self,
        picks: Sequence[int],
        faults: Sequence[FaultAt],
        placeable: Placeable,
        order: Sequence[str] = (),
    ) -> None:
        self._picks = picks
        self._faults = tuple(faults)
        self._placeable = placeable
        self._ranks = _ranks(order)
        self.restart()

    @property
    def current(self) -> Schedule:
        """The steps of the run so far."""
        return Schedule(tuple(self._moves))

    @property
    def planned_faults(self) -> tuple[tuple[str, FaultRef], ...]:
        """Every fault that may happen in the run, as pairs of client id and fault."""
        return tuple((planned.client, planned.fault) for planned in self._faults)

    def restart(self) -> None:
        self._moves: list[PlannedStep] = []
        self._decided = 0

    def decide(self, point: Point) -> Decision:
        if point.choices[0].position.inside:
            event = point.choices[0]
        else:
            number = self._decided
            event = self._picked(point, self._picks[number] if number < len(self._picks) else 0)
            self._decided += 1
        fault = self._fault_at(event)
        if fault is not None or not event.position.inside:
            self._moves.append(planned(event, fault))
        return Decision(event, fault)

    def _picked(self, point: Point, number: int) -> WireEvent:
        default = min(point.choices, key=self._rank) if self._ranks else default_choice(point)
        others = [event for event in point.choices if event.position != default.position]
        return [default, *others][number % len(point.choices)]

    def _rank(self, event: WireEvent) -> tuple[int, str]:
        client = event.position.client
        return self._ranks.get((client, event.index.operation), len(self._ranks)), client

    def _fault_at(self, event: WireEvent) -> FaultRef | None:
        possible = self._placeable(event)
        return next((p.fault for p in self._faults if p.is_at(event) and p.fault in possible), None)


def _ranks(order: Sequence[str]) -> dict[tuple[str, int], int]:
    """Return the number of each call by its client and its ordinal there."""
    calls: Counter[str] = Counter()
    found = {}
    for number, client in enumerate(order):
        calls[client] += 1
        found[client, calls[client]] = number
    return found
