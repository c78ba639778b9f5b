"""Replay of one schedule, which reports the steps that can no longer be placed. A scheduler.

Steps are taken in order, each as soon as its event is parked; events that the schedule does not name pass in the
default order. A fault is not placed if its position now holds another command than the schedule names.

A client that polls sends a few commands more or fewer each time. So where an order is written in labels, a command that
it does not name passes when it is that client's turn, and a poll that it names once too often does not count.
"""

from __future__ import annotations

from dataclasses import replace

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
        missing = (step.position for step in self._left if not self._is_repetition(step))
        return (*self._moved, *map(_missing, missing))

    def restart(self) -> None:
        self._left: list[PlannedStep] = list(self._schedule.steps)
        self._moved: list[str] = []
        self._sent: set[Label] = set()

    def decide(self, point: Point) -> Decision:
        event = self._scheduled(point) or default_choice(point)
        if event.label is not None:
            self._sent.add(replace(event.label, occurrence=1))
        step = next((step for step in self._left if event.is_at(step.position)), None)
        if step is None:
            return Decision(event)
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
                if event.is_at(step.position) or self._is_additional(event, step):
                    return event
        return None

    def _is_additional(self, event: WireEvent, step: PlannedStep) -> bool:
        """Whether it is the turn of the event's client in an order of labels, which does not name the event."""
        place = step.position
        is_turn = isinstance(place, Label) and place.client == event.position.client
        return is_turn and not step.fault and not any(event.is_at(s.position) for s in self._left)

    def _is_repetition(self, step: PlannedStep) -> bool:
        """Whether a step that only says whose turn it is names a command that was sent, if not as often."""
        place = step.position
        return (
            isinstance(place, Label)
            and not step.fault
            and replace(place, occurrence=1) in self._sent
        )


def _missing(place: Place) -> str:
    """Return the sentence that says that no event was there."""
    what = "that command" if isinstance(place, Label) else f"its command number {place.ordinal}"
    return f"{place}: the client never sent {what}."
