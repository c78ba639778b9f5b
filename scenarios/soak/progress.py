"""Reports the progress of a running soak: totals, and rates since the last report. Decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from midpipe.faultinject.net.loop import Loop
from midpipe.scenarios.soak.checker import Tally, milliseconds
from midpipe.scenarios.soak.plan import SoakPlan
from midpipe.scenarios.soak.results import Progress
from midpipe.scenarios.soak.segment import Segment

REPORT_EVERY_S = 0.5


class Totals(Protocol):
    """What is known of the whole soak."""

    @property
    def tally(self) -> Tally: ...

    @property
    def fired(self) -> Counter[str]: ...

    def counts(self) -> Counter[str]: ...


class ProgressMeter:
    """Makes progress reports, with rates since the last one."""

    def __init__(
        self, totals: Totals, plan: SoakPlan, loop: Loop, passed_days: Callable[[], float]
    ) -> None:
        self._totals = totals
        self._plan = plan
        self._passed_days = passed_days
        self._clock = loop.clock
        self._begun_s = self._last_s = loop.clock()
        self._last_jobs = 0
        self._last_ticks = self._last_calls = 0
        self._jobs_before_segment = 0
        self._phase = ""
        self._checked = 0

    def is_due(self, phase: str) -> bool:
        """Return whether a report is due: the phase has changed, or enough time has passed."""
        return phase != self._phase or self._clock() - self._last_s >= REPORT_EVERY_S

    def segment_ended(self, segment: Segment) -> None:
        """Count the segment as checked."""
        self._jobs_before_segment += segment.acknowledged
        self._checked += 1

    def report(self, segment: Segment) -> Progress:
        """Return a report on the segment that runs."""
        now_s = self._clock()
        counts = self._totals.counts()
        jobs = self._jobs_before_segment + segment.acknowledged
        passed_s = max(now_s - self._last_s, 1e-6)
        calls = counts["attempts"] - self._last_calls
        ticks = counts["enqueue_ticks"] - self._last_ticks
        fired = self._totals.fired + segment.chaos_driver.fired
        progress = Progress(
            segment=segment.number,
            segments=self._plan.segment_count,
            phase=segment.phase,
            jobs=jobs,
            jobs_total=self._plan.jobs,
            seconds=now_s - self._begun_s,
            rate=max(0, jobs - self._last_jobs) / passed_s,
            depth=segment.depth,
            enqueue_ms=milliseconds(ticks) / calls if calls else 0.0,
            faults=tuple((fault, count) for fault, count in sorted(fired.items()) if count),
            lost=self._totals.tally.lost.least,
            duplicated=self._totals.tally.duplicated.least,
            checked=self._checked,
            days=self._passed_days(),
        )
        self._last_s, self._last_jobs, self._phase = now_s, jobs, segment.phase
        self._last_calls, self._last_ticks = counts["attempts"], counts["enqueue_ticks"]
        return progress
