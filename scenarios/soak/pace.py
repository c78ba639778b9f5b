"""How time passes in a soak: by itself, or in jumps over the hours in which nothing happens.

On a stepped clock a month takes minutes. Producers and workers run at real speed as long as they have anything to do.
Once every process sleeps and nothing is on its way between them, the clock moves to the next event: the end of a
time-out, of a lease or of a fault, or the next hour's jobs. Polls of an idle worker are no events.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from midpipe.faultinject.clock.port import Clock, Waiter
from midpipe.faultinject.clock.sleeping import descendants
from midpipe.faultinject.net.loop import Loop
from midpipe.scenarios.case.time_flow import TimeFlow
from midpipe.scenarios.soak.daily_load import DAY_S, HOUR_S, HOURS_A_SEGMENT, jobs_before
from midpipe.scenarios.soak.plan import SoakPlan

Action = Callable[[], None]
_LONGEST_POLL_S = 0.25
"""Shorter waits end by themselves: workers that poll, and pauses before the load tries a call again."""


class Pace(Protocol):
    """How time passes. Seconds are those of the clock that the soak's processes read."""

    def now_s(self) -> float: ...

    def passed_days(self) -> float:
        """Return how many days have passed since the soak began; 0 if it simulates none."""

    def finish(self, plan: SoakPlan) -> None:
        """Let the rest of the plan's days pass; nothing of the load runs any more."""

    def call_later(self, delay_s: float, action: Action) -> None:
        """Call ``action`` once, ``delay_s`` seconds from now."""

    def jobs_due(self, plan: SoakPlan) -> tuple[int, float]:
        """Return how many of all jobs may be enqueued by now, and when more may be; infinite if none are left."""

    def end_of(self, segment: int) -> float:
        """Return the time before which a segment's load does not end."""

    def pass_time(self, until_s: float, *, is_idle: bool) -> None:
        """Make what is due happen; if nothing else can happen, move to the next event.

        Args:
            until_s: when something is due that this pace does not know; infinite if nothing is. Nothing is moved
                if it has passed meanwhile.
            is_idle: no job was enqueued, handed out or completed for a moment.

        Raises:
            NotFollowedError: a process would not notice the move.
        """


class RealTime:
    """Time passes by itself, and all jobs are due at once."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def now_s(self) -> float:
        return self._loop.clock()

    def passed_days(self) -> float:
        return 0.0

    def finish(self, plan: SoakPlan) -> None:
        """Do nothing."""

    def call_later(self, delay_s: float, action: Action) -> None:
        """Have the loop call it."""
        self._loop.call_later(delay_s, action)

    def jobs_due(self, plan: SoakPlan) -> tuple[int, float]:
        """Return all jobs."""
        return plan.jobs, math.inf

    def end_of(self, segment: int) -> float:
        """Return a time in the past: a load ends with its jobs."""
        return -math.inf

    def pass_time(self, until_s: float, *, is_idle: bool) -> None:
        """Do nothing."""


@dataclass(order=True, slots=True)
class _Planned:
    due_s: float
    number: int
    action: Action = field(compare=False)


class TimeLapse:
    """Time is moved from event to event.

    Args:
        clock: a stepped one.
        flow: finds out whether the processes sleep.
        pids: returns the processes of the load.
        server_pids: returns those of the servers.
    """

    def __init__(
        self,
        clock: Clock,
        flow: TimeFlow,
        pids: Callable[[], Collection[int]],
        server_pids: Callable[[], Collection[int]],
    ) -> None:
        self._clock = clock
        self._flow = flow
        self._pids = pids
        self._server_pids = server_pids
        self._begun_s = clock.now_s()
        self._planned: list[_Planned] = []
        self._count = 0

    def now_s(self) -> float:
        return self._clock.now_s()

    def passed_days(self) -> float:
        return (self.now_s() - self._begun_s) / DAY_S

    def finish(self, plan: SoakPlan) -> None:
        """Move to the end of the last day."""
        self._clock.advance(max(0.0, self._begun_s + plan.days * DAY_S - self.now_s()))

    def call_later(self, delay_s: float, action: Action) -> None:
        """Make it an event."""
        self._count += 1
        heapq.heappush(self._planned, _Planned(self.now_s() + delay_s, self._count, action))

    def jobs_due(self, plan: SoakPlan) -> tuple[int, float]:
        """Return the jobs of the hours that have begun, and when the next one begins."""
        hours = int((self.now_s() - self._begun_s) // HOUR_S) + 1
        due = jobs_before(hours, plan.jobs, plan.days)
        return due, self._begun_s + hours * HOUR_S if due < plan.jobs else math.inf

    def end_of(self, segment: int) -> float:
        """Return the end of its third of a day, so that the next segment's history is no longer than that either."""
        return self._begun_s + segment * HOURS_A_SEGMENT * HOUR_S

    def pass_time(self, until_s: float, *, is_idle: bool) -> None:
        """Move to the next event if every process sleeps."""
        self._run_due()
        pids = descendants(self._pids())
        if not is_idle:
            return
        waits = self._flow.waits_if_still((*pids, *self._server_pids()), pids)
        if waits is None:
            return
        self._flow.check_following(pids)
        next_s = min(until_s, self._next_planned_s(), self._next_wait_s(waits))
        if math.isfinite(next_s) and next_s > self.now_s():
            self._clock.advance(next_s - self.now_s())
        self._run_due()

    def _next_planned_s(self) -> float:
        return self._planned[0].due_s if self._planned else math.inf

    def _next_wait_s(self, waits: Iterable[Waiter]) -> float:
        """Return when the next longer wait ends; infinite if there is none."""
        longer = (wait.left_s for wait in waits if wait.left_s > _LONGEST_POLL_S)
        return self.now_s() + min(longer, default=math.inf)

    def _run_due(self) -> None:
        while self._planned and self._planned[0].due_s <= self.now_s():
            heapq.heappop(self._planned).action()
