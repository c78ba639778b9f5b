"""The narrow waist between a case and whoever decides it: three methods.

Sweep, replay and (later) interleave and random are schedulers; a ledger or a determinism check wraps one.
A scheduler sees values only, so it can be tested without a socket.
"""

from __future__ import annotations

from typing import Protocol

from midpipe.faultinject.vocabulary import Decision, Point, RunEnd, WireEvent


class Scheduler(Protocol):
    """Decides runs, one after the other."""

    def begin(self) -> bool:
        """A run may begin. Return False when there is nothing left to try."""

    def decide(self, point: Point) -> Decision:
        """Choose the event that goes next and what happens to it."""

    def end(self, run: RunEnd) -> None:
        """The run ended; learn from it."""


def default_choice(point: Point) -> WireEvent:
    """Return the event that goes next unless a schedule says otherwise: the last client goes on, else the first."""
    for event in point.choices:
        if event.position.client == point.last:
            return event
    return min(point.choices, key=lambda event: event.position)
