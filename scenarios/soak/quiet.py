"""Decides when a queue that is no longer filled is empty: no job was handed out for longer than a lease lasts.

Where the clock is moved, a lease may end in a moment in which no worker has asked for a job yet. So each worker has to
ask once more after that time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from midpipe.scenarios.soak.load_processes import LoadProcess

_STEPS = 2
"""The first may have begun before the time was over."""


class Quiet:
    """How long no job was handed out.

    Args:
        workers: that take the jobs; none if midpipe does.
        clock: returns the seconds of the clock that the workers read.
        quiet_s: how long no job has to be handed out, in seconds.
    """

    def __init__(
        self, workers: Sequence[LoadProcess], clock: Callable[[], float], quiet_s: float
    ) -> None:
        self._workers = workers
        self._clock = clock
        self._quiet_s = quiet_s
        self._since_s = clock()
        self._handed_out = -1
        self._steps: tuple[int, ...] | None = None

    @property
    def due_s(self) -> float:
        """When it will have been quiet for long enough, on that clock; infinite if it has been."""
        return self._since_s + self._quiet_s if self._steps is None else math.inf

    def has_come(self, handed_out: int, *, is_pending: bool) -> bool:
        """Return whether the queue is empty.

        Args:
            handed_out: how many jobs have been handed out so far.
            is_pending: a job may be handed out, or enqueued, without the workers.
        """
        if handed_out != self._handed_out or is_pending:
            self._handed_out, self._since_s, self._steps = handed_out, self._clock(), None
        if self._clock() < self._since_s + self._quiet_s:
            return False
        steps = tuple(worker.steps for worker in self._workers)
        if self._steps is None:
            self._steps = steps
        return all(now >= then + _STEPS for now, then in zip(steps, self._steps, strict=True))
