"""Replay of one schedule, which reports the steps that can no longer be placed. A scheduler.

Steps are taken in order, each as soon as its event is parked; events that the schedule does not name pass in the
default order. A fault is not placed if its position now holds another command than the schedule names.
"""

from __future__ import annotations

from midpipe.faultinject.decide.decider import SingleRun
from midpipe.faultinject.decide.schedule import PlannedStep, Schedule
from midpipe.faultinject.decide.scheduler import default_choice
from midpipe.faultinject.vocabulary import Decision, Point, WireEvent


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
        missing = tuple(
            f"{step.position}: the client never sent its command number {step.position.ordinal}."
            for step in self._left
        )
        return (*self._moved, *missing)

    def restart(self) -> None:
        self._left: list[PlannedStep] = list(self._schedule.steps)
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

    def _scheduled(self, point: Point) -> WireEvent | None:
        waiting = {event.position: event for event in point.choices}
        for step in self._left:
            if step.position in waiting:
                return waiting[step.position]
        return None
