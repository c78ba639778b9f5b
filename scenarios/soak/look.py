"""Looks at a soak that runs, for whoever shows progress: how much was done since the last one. Decides nothing."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from midpipe.faultinject.net.loop import Loop
from midpipe.scenarios.soak.checker import Tally, milliseconds
from midpipe.scenarios.soak.plan import SoakPlan
from midpipe.scenarios.soak.results import Progress
from midpipe.scenarios.soak.segment import Segment

LOOK_EVERY_S = 0.5


class Known(Protocol):
    """What is known of the soak as a whole."""

    @property
    def tally(self) -> Tally: ...

    @property
    def fired(self) -> Counter[str]: ...

    def counts(self) -> Counter[str]: ...


class Looks:
    """Makes looks at a soak, with what changed since the last one."""

    def __init__(self, known: Known, plan: SoakPlan, loop: Loop) -> None:
        self._known = known
        self._plan = plan
        self._clock = loop.clock
        self._begun_s = self._last_s = loop.clock()
        self._last_jobs = 0
        self._last_ticks = self._last_calls = 0
        self._before = 0
        self._phase = ""
        self._checked = 0

    def is_due(self, phase: str) -> bool:
        return phase != self._phase or self._clock() - self._last_s >= LOOK_EVERY_S

    def leg_ended(self) -> None:
        self._before = self._known.tally.acknowledged
        self._checked += 1

    def at(self, leg: Segment) -> Progress:
        now_s = self._clock()
        counts = self._known.counts()
        jobs = self._before + leg.acknowledged
        passed_s = max(now_s - self._last_s, 1e-6)
        calls = counts["attempts"] - self._last_calls
        ticks = counts["enqueue_ticks"] - self._last_ticks
        fired = self._known.fired + leg.world.fired
        look = Progress(
            leg=leg.leg,
            legs=len(self._plan.legs),
            phase=leg.phase,
            jobs=jobs,
            jobs_total=self._plan.jobs,
            seconds=now_s - self._begun_s,
            rate=max(0, jobs - self._last_jobs) / passed_s,
            depth=leg.depth,
            enqueue_ms=milliseconds(ticks) / calls if calls else 0.0,
            faults=tuple((fault, count) for fault, count in sorted(fired.items()) if count),
            lost=self._known.tally.lost.least,
            doubled=self._known.tally.doubled.least,
            checked=self._checked,
        )
        self._last_s, self._last_jobs, self._phase = now_s, jobs, leg.phase
        self._last_calls, self._last_ticks = counts["attempts"], counts["enqueue_ticks"]
        return look
