"""The interface between a running case and the algorithm that decides it: three methods.

Sweep, interleave, walk, drawn and replay are schedulers; ``Counting`` and ``DeterminismCheck`` wrap one. A scheduler
sees values only, so it can be tested without a socket.
"""

from __future__ import annotations

from typing import Protocol

from midpipe.faultinject.vocabulary import Decision, Point, RunEnd, WireEvent


class Scheduler(Protocol):
    """Decides one run after the other."""

    def begin(self) -> bool:
        """Begin the next run; return False if there is none."""

    def decide(self, point: Point) -> Decision:
        """Choose the event that goes next, and the fault that happens at it."""

    def end(self, run: RunEnd) -> None:
        """Take note of how the run ended."""


def default_choice(point: Point) -> WireEvent:
    """Return the event that goes next by default: the last client's, or else the first client's."""
    for event in point.choices:
        if event.position.client == point.last:
            return event
    return min(point.choices, key=lambda event: event.position)
