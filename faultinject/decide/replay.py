"""Replay of one schedule, which reports the steps that can no longer be placed. A scheduler.

Steps are taken in order, each as soon as its event is parked; events that the schedule does not name pass in the
default order. A fault is not placed if its position now holds another command than the schedule names.
"""

from __future__ import annotations

from midpipe.faultinject.decide.decider import SingleRun
from midpipe.faultinject.decide.schedule import PlannedStep, Schedule
from midpipe.faultinject.decide.scheduler import default_choice
from midpipe.faultinject.vocabulary import Decision, Label, Place, Point, WireEvent


class Replay(SingleRun):
    """Decides one run, as a schedule says."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.restart()

    @property
    def current(self) -> Schedule:
        return self._schedule

    @property
    def unplaced(self) -> tuple[str, ...]:
        """Why steps of the schedule could not be placed, one sentence each; empty if all were placed."""
        return (*self._moved, *(_missing(step.position) for step in self._left))

    def restart(self) -> None:
        self._left: list[PlannedStep] = list(self._schedule.steps)
        self._moved: list[str] = []

    def decide(self, point: Point) -> Decision:
        event = self._scheduled(point)
        if event is None:
            return Decision(default_choice(point))
        step = next(step for step in self._left if event.is_at(step.position))
        self._left.remove(step)
        if step.command and step.command != event.name:
            self._moved.append(
                f"{step.position} is now {event.name}, and the schedule expects {step.command}."
            )
            return Decision(event)
        return Decision(event, step.fault)

    def _scheduled(self, point: Point) -> WireEvent | None:
        for step in self._left:
            for event in point.choices:
                if event.is_at(step.position):
                    return event
        return None


def _missing(place: Place) -> str:
    """Return the sentence that says that no event was there."""
    what = "that command" if isinstance(place, Label) else f"its command number {place.ordinal}"
    return f"{place}: the client never sent {what}."
