"""What a clock can do: the port behind which time is stepped, or passes by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from midpipe.faultinject.errors import NotApplicableError


class NotFollowedError(NotApplicableError):
    """A process that has to be on a stepped clock is not."""


class Kind(IntEnum):
    """What else could end a wait, besides the time. The numbers are those of the library's page."""

    SLEEP = 1
    DESCRIPTOR = 2
    LOCK = 3
    SIGNAL = 4
    TIMER = 5
    """An alarm or a timer is running; no thread waits for it."""
    CONDITION = 6
    MUTEX = 7


@dataclass(frozen=True, slots=True)
class Waiter:
    """A wait that time alone can end.

    Args:
        pid: of the process.
        thread: as the system numbers it; for a timer, the process.
        kind: what else could end it.
        left_s: seconds on the stepped clock until its deadline; 0 or less if the deadline has passed and the wait has
            not ended yet.
        is_stopped: the process is stopped (SIGSTOP); its wait ends when it continues.
        deadline_ns: the same for as long as the wait lasts, and different for the thread's next one.
    """

    pid: int
    thread: int
    kind: Kind
    left_s: float
    is_stopped: bool = False
    deadline_ns: int = 0


@dataclass(frozen=True, slots=True)
class Advance:
    """A move to a deadline.

    Args:
        seconds: by how much the clock was moved; 0 if the deadline had passed already.
        woken: the waits whose deadline it was.
    """

    seconds: float
    woken: tuple[Waiter, ...]


class Clock(Protocol):
    """The clock of processes that midpipe starts. Only one thread may use it at a time.

    Attributes:
        is_stepped: whether it can be moved. On a clock that can't, skew, step_wall and hold raise NotApplicableError.
        reason: why it can't be moved, as half a sentence; empty if it can.
    """

    is_stepped: bool
    reason: str

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables with which a process, and its children, are on this clock."""

    def now_s(self) -> float:
        """Return the monotonic clock of the processes, in seconds."""

    def wall_s(self) -> float:
        """Return the wall clock of the processes, in seconds since 1970, without skew."""

    def follows(self, pid: int) -> bool:
        """Return whether a process is on this clock; one that could not load the library is not."""

    def waiters(self, among: Collection[int] | None = None) -> tuple[Waiter, ...]:
        """Return the waits that time will end, the earliest deadline first. The wall clock knows of none.

        Args:
            among: pids; only waits of these processes and their children. None takes all processes.
        """

    def advance(self, seconds: float, suspended: Collection[int] = ()) -> None:
        """Let time pass in one step; return when every thread whose deadline has passed has noticed.

        A periodic timer expires once, however many periods pass; advance_to_next_deadline gives each of them. The wall
        clock sleeps for so long.

        Args:
            suspended: pids; the monotonic clock of these processes and their children does not advance, so that no
                time-out of theirs ends, as on a machine that sleeps meanwhile. Their wall clock does.
        """

    def advance_to_next_deadline(self, among: Collection[int] | None = None) -> Advance | None:
        """Move to the next deadline; return when the threads that waited for it have noticed.

        Args:
            among: as in waiters.

        Returns:
            None: no process waits for a deadline, as far as is known.
        """

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock forward or back, as NTP does. The monotonic clock does not change."""

    def skew(self, pid: int, seconds: float) -> None:
        """Set the wall clock of a process, and of its children, off by so many seconds (0 ends it).

        Raises:
            UsageError: the process is not on this clock.
        """

    def hold(self) -> None:
        """Stop the clock, so that it changes by moves only. Safe to call twice."""

    def go_on(self) -> None:
        """End hold: let the clock run on from its present time. Safe to call twice."""

    def close(self) -> None:
        """Release the clock; processes keep its last offset. Safe to call twice."""
