"""The machine's own clock, for where time can't be stepped: it passes by itself, and no waits are known."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from midpipe.faultinject.clock.port import Advance, Waiter
from midpipe.faultinject.errors import NotApplicableError


class WallClock:
    """A Clock that can't be moved.

    Args:
        reason: why not, as half a sentence for reports.
    """

    is_stepped = False

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def environment(self) -> Mapping[str, str]:
        """Return no variables: every process is on this clock."""
        return {}

    def now_s(self) -> float:
        """Return the monotonic clock, in seconds."""
        return time.monotonic()

    def wall_s(self) -> float:
        """Return the wall clock, in seconds since 1970."""
        return time.time()

    def follows(self, pid: int) -> bool:
        """Return True: every process is on this clock."""
        return True

    def waiters(self, among: Collection[int] | None = None) -> tuple[Waiter, ...]:
        """Return no waits: they are not known."""
        return ()

    def advance(self, seconds: float, suspended: Collection[int] = ()) -> None:
        """Sleep for so many seconds."""
        time.sleep(seconds)

    def advance_to_next_deadline(self, among: Collection[int] | None = None) -> Advance | None:
        """Return None: no deadline is known."""
        return None

    def step_wall(self, seconds: float) -> None:
        """Raise NotApplicableError."""
        raise self._not_possible("set")

    def skew(self, pid: int, seconds: float) -> None:
        """Raise NotApplicableError."""
        raise self._not_possible("skewed")

    def hold(self) -> None:
        """Raise NotApplicableError."""
        raise self._not_possible("held")

    def go_on(self) -> None:
        """Do nothing: it always runs."""

    def close(self) -> None:
        """Do nothing."""

    def _not_possible(self, what: str) -> NotApplicableError:
        return NotApplicableError(f"The clock can't be {what} here: {self.reason}.")
