"""Replay of one schedule, which reports the steps that can no longer be placed. A scheduler.

Steps are taken in order, each as soon as its event is parked; events that the schedule does not name pass in the
default order. A fault is not placed if its position now holds another command than the schedule names.
"""

from __future__ import annotations

from midpipe.faultinject.decide.schedule import PlannedStep, Schedule
from midpipe.faultinject.decide.scheduler import default_choice
from midpipe.faultinject.vocabulary import Decision, FaultRef, Point, RunEnd, WireEvent


class Replay:
    """Decides one run, as a schedule says."""

    def __init__(self, schedule: Schedule) -> None:
        self.current = schedule
        self._begun = False
        self.restart()

    @property
    def unplaced(self) -> tuple[str, ...]:
        """Why steps of the schedule could not be placed, one sentence each; empty if all were placed."""
        missing = tuple(
            f"{step.position}: the client never sent its command number {step.position.ordinal}."
            for step in self._left
        )
        return (*self._moved, *missing)

    @property
    def diverged(self) -> str:
        """Always empty: ``unplaced`` reports the differences."""
        return ""

    @property
    def planned_faults(self) -> tuple[tuple[str, FaultRef], ...]:
        """Every fault that may happen in the run, as pairs of client id and fault."""
        return self.current.placed

    def begin(self) -> bool:
        if self._begun:
            return False
        self._begun = True
        return True

    def restart(self) -> None:
        """Make the same run once more, from its beginning."""
        self._left: list[PlannedStep] = list(self.current.steps)
        self._moved: list[str] = []

    def decide(self, point: Point) -> Decision:
        event = self._scheduled(point)
        if event is None:
            return Decision(default_choice(point))
        step = next(step for step in self._left if step.position == event.position)
        self._left.remove(step)
        if step.command and step.command != event.name:
            self._moved.append(
                f"{step.position} is now {event.name}, and the schedule expects {step.command}."
            )
            return Decision(event)
        return Decision(event, step.fault)

    def end(self, run: RunEnd) -> None:
        """There is one run only, so there is nothing to learn."""

    def _scheduled(self, point: Point) -> WireEvent | None:
        waiting = {event.position: event for event in point.choices}
        for step in self._left:
            if step.position in waiting:
                return waiting[step.position]
        return None
