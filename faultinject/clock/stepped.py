"""A clock that midpipe moves, for processes that have loaded the library."""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from midpipe.faultinject.clock.go_program import is_go_program
from midpipe.faultinject.clock.port import Advance, Kind, Waiter
from midpipe.faultinject.clock.preload import ProcessRecord, WaitRecord, load
from midpipe.faultinject.errors import InternalError, NotApplicableError, UsageError

VARIABLE = "MIDPIPE_CLOCK"
NS_PER_S = 1_000_000_000
PATIENCE_NS = 2 * NS_PER_S
"""Real time within which a thread has to notice that its deadline has passed; the machine may be busy."""
MOST_S = 20 * 365 * 86_400
"""The library recognizes deadlines on the wall clock by their size, which works for thirty years of uptime."""
MOST_WAITS, MOST_PROCESSES = 1024, 512


class SteppedClock:
    """A Clock that can be moved.

    Args:
        library: path of the compiled library.
        folder: where the page is made, as a new file.

    Raises:
        NotApplicableError: the library can't be used, or the page can't be made.
    """

    is_stepped = True
    reason = ""

    def __init__(self, library: Path, folder: Path) -> None:
        for path in (library, folder):
            if {" ", ":"} & set(str(path)):
                raise NotApplicableError(
                    f"{path} can't be named in LD_PRELOAD: it has a space or a colon."
                )
        self._library_path = library
        self._library = load(library)
        self._folder = Path(tempfile.mkdtemp(prefix="clock-", dir=folder))
        self._path = self._folder / "page"
        self._page = self._library.midclock_create(os.fsencode(self._path))
        if not self._page:
            why = os.strerror(ctypes.get_errno())
            # It may be there, and too short.
            self._path.unlink(missing_ok=True)
            self._folder.rmdir()
            raise NotApplicableError(f"The clock's page can't be made in {folder}: {why}.")

    def environment(self) -> Mapping[str, str]:
        """Return the variables with which a process is on this clock; other preloaded libraries stay."""
        others = [path for path in os.environ.get("LD_PRELOAD", "").split(":") if path]
        return {
            "LD_PRELOAD": ":".join((str(self._library_path), *others)),
            VARIABLE: str(self._path),
        }

    def now_s(self) -> float:
        """Return the monotonic clock, in seconds."""
        return self._now(time.CLOCK_MONOTONIC)

    def wall_s(self) -> float:
        """Return the wall clock, in seconds since 1970."""
        return self._now(time.CLOCK_REALTIME)

    def follows(self, pid: int) -> bool:
        """Return whether a process has loaded the library, and asks the C library for the time."""
        has_loaded = any(process.pid == pid for process in self._processes())
        return has_loaded and not is_go_program(pid)

    def waiters(self, among: Collection[int] | None = None) -> tuple[Waiter, ...]:
        """Return the waits that time will end, the earliest deadline first."""
        self._library.midclock_refresh(self._opened(), PATIENCE_NS)
        pids = None if among is None else self._with_children(among)
        records = (WaitRecord * MOST_WAITS)()
        count = min(self._library.midclock_waits(self._opened(), records, MOST_WAITS), MOST_WAITS)
        waiters = [
            Waiter(
                wait.pid,
                wait.thread,
                Kind(wait.kind),
                wait.left / NS_PER_S,
                bool(wait.is_stopped),
                wait.deadline,
            )
            for wait in records[:count]
            if pids is None or wait.pid in pids
        ]
        return tuple(sorted(waiters, key=lambda waiter: waiter.left_s))

    def advance(self, seconds: float, suspended: Collection[int] = ()) -> None:
        """Move both clocks. Raises UsageError if seconds is negative, or more than twenty years in all."""
        if seconds < 0:
            raise UsageError(
                f"Time does not go back by {-seconds:g} s; step_wall sets the wall clock back."
            )
        family = self._with_children(suspended) if suspended else set()
        for pid in family:
            self._library.midclock_suspend(self._opened(), pid, 1)
        try:
            self._move(seconds, seconds)
        finally:
            for pid in family:
                self._library.midclock_suspend(self._opened(), pid, 0)

    def advance_to_next_deadline(self, among: Collection[int] | None = None) -> Advance | None:
        """Move to the next deadline of a process that is not stopped."""
        waiters = [waiter for waiter in self.waiters(among) if not waiter.is_stopped]
        if not waiters:
            return None
        seconds = max(0.0, waiters[0].left_s)
        self._move(seconds, seconds)
        return Advance(seconds, tuple(waiter for waiter in waiters if waiter.left_s <= seconds))

    def step_wall(self, seconds: float) -> None:
        """Move the wall clock alone."""
        self._move(seconds, 0.0)

    def skew(self, pid: int, seconds: float) -> None:
        """Set the skew of a process and of its children."""
        if not self.follows(pid):
            raise UsageError(
                f"Process {pid} is not on this clock; start it with clock.environment()."
            )
        for one in sorted(self._with_children((pid,))):
            self._library.midclock_skew(self._opened(), one, round(seconds * NS_PER_S))
        self._wake()

    def hold(self) -> None:
        """Stop the clock."""
        self._library.midclock_hold(self._opened(), 1)
        self._wake(also_early=True)

    def go_on(self) -> None:
        """Let the clock run."""
        self._library.midclock_hold(self._opened(), 0)
        self._wake(also_early=True)

    def close(self) -> None:
        """Remove the page; processes that still have it mapped keep the last offset."""
        if self._page:
            self._library.midclock_close(self._page)
            self._page = None
            self._path.unlink(missing_ok=True)
            self._folder.rmdir()

    @property
    def overflows(self) -> int:
        """How many waits and processes found the page full; those follow late, or run in real time."""
        return int(self._library.midclock_overflows(self._opened()))

    def _opened(self) -> int:
        if not self._page:
            raise InternalError("The clock was used after it was closed.")
        return int(self._page)

    def _now(self, clock: int) -> float:
        return float(self._library.midclock_now(self._opened(), clock) / NS_PER_S)

    def _move(self, wall_s: float, monotonic_s: float) -> None:
        for moved, present in ((monotonic_s, self.now_s() - time.monotonic()), (wall_s, 0.0)):
            if abs(present + moved) > MOST_S:
                raise UsageError(
                    f"The clock can't be moved by {moved:g} s: twenty years are the most."
                )
        wall, monotonic = round(wall_s * NS_PER_S), round(monotonic_s * NS_PER_S)
        self._library.midclock_move(self._opened(), wall, monotonic)
        self._wake()

    def _wake(self, *, also_early: bool = False) -> None:
        self._library.midclock_wake(self._opened(), int(also_early), PATIENCE_NS)

    def _processes(self) -> list[ProcessRecord]:
        records = (ProcessRecord * MOST_PROCESSES)()
        count = self._library.midclock_processes(self._opened(), records, MOST_PROCESSES)
        return records[: min(count, MOST_PROCESSES)]

    def _with_children(self, pids: Collection[int]) -> set[int]:
        family = set(pids)
        processes = self._processes()
        while more := {process.pid for process in processes if process.parent in family} - family:
            family |= more
        return family
