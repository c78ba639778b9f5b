"""Makes requests of a soak again: shortly before the queue may forget them, and shortly after.

A caller that repeats its request before then has to get the answer that the job is in; afterwards it is a new request.
Of each hour one request is repeated, without faults, by a client of midpipe's own. How long a queue knows a request is
the promise ``deduplicates_for``; without it a request is to be known for as long as the soak lasts.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.promises import Deduplicates, Promises
from midpipe.scenarios.programs.calls import enqueue
from midpipe.scenarios.soak.daily_load import DAY_S
from midpipe.scenarios.soak.history import TICKS_PER_S, RawRecord
from midpipe.scenarios.soak.results import Repeated
from midpipe.scenarios.subjects.load import BEGUN, ENQUEUED, RAISED, job_id_of

_MARGIN_S = 60.0
"""Before and after the moment at which a request may be forgotten."""
_MADE_WITHIN_S = 30.0


@dataclass(frozen=True, order=True, slots=True)
class _Repeat:
    due_s: float
    job: int
    is_known: bool


class Repeats:
    """The requests that are made again in one soak.

    Args:
        first_new_job: numbers from here on are not those of the soak's own jobs.

    Attributes:
        counts: what became of the repeats so far.
    """

    def __init__(self, rig: Rig, first_new_job: int) -> None:
        promises = rig.traits.promises
        self._rig = rig
        self._by = promises.deduplicates
        self._known_s = _known_for_s(promises)
        self._next_job = first_new_job
        self._pending: list[_Repeat] = []
        self._forgotten: set[int] = set()
        self.counts = Repeated()

    def add(self, records: Iterable[RawRecord], jobs: frozenset[int], zero_s: float) -> None:
        """Plan to repeat the requests of some jobs.

        Args:
            records: of a segment.
            zero_s: when the segment began.
        """
        if self._by is Deduplicates.NONE or self._known_s <= _MARGIN_S:
            return
        first, last = dict[int, int](), dict[int, int]()
        for kind, outcome, _, job, begun, ended in records:
            if job in jobs and kind == BEGUN:
                first[job] = min(begun, first.get(job, begun))
            elif job in jobs and kind == ENQUEUED and outcome != RAISED:
                last[job] = max(ended, last.get(job, ended))
        # An attempt that raised may have been the one that the server has noted, so the first attempt counts.
        for job, ended in last.items():
            known_s = self._known_s if math.isfinite(self._known_s) else DAY_S
            begun_s, ended_s = (zero_s + ticks / TICKS_PER_S for ticks in (first[job], ended))
            heapq.heappush(self._pending, _Repeat(begun_s + known_s - _MARGIN_S, job, True))
            if math.isfinite(self._known_s):
                heapq.heappush(self._pending, _Repeat(ended_s + known_s + _MARGIN_S, job, False))

    def next_due_s(self) -> float:
        """Return when the next request is due; infinite if none is."""
        return self._pending[0].due_s if self._pending else math.inf

    def ask_due(self) -> Iterator[int]:
        """Make the requests that are due; yield the numbers of the jobs that were put in, as they had to be."""
        while self.next_due_s() <= (now_s := self._rig.clock.now_s()):
            repeat = heapq.heappop(self._pending)
            if repeat.is_known and now_s > repeat.due_s + _MADE_WITHIN_S:
                # The load was stopped meanwhile; by now the queue may have forgotten the request.
                continue
            if repeat.job in self._forgotten:
                # The repeat before has made the request known anew.
                continue
            yield from self._ask(repeat)

    def _ask(self, repeat: _Repeat) -> Iterator[int]:
        job, request = repeat.job, repeat.job
        if self._by is Deduplicates.REQUEST:
            job, self._next_job = self._next_job, self._next_job + 1
        else:
            request, self._next_job = self._next_job, self._next_job + 1
        answered = self._rig.recovery.call(
            "enqueue", enqueue(job_id_of(job), f"request-{request}").given()
        )
        if repeat.is_known and answered.value is True:
            self._forgotten.add(repeat.job)
        is_refused = answered.error is None and answered.value is False
        self.counts += Repeated(
            known=int(repeat.is_known),
            forgotten=int(repeat.is_known and answered.value is True),
            expired=int(not repeat.is_known),
            refused=int(not repeat.is_known and is_refused),
            raised=int(answered.error is not None),
        )
        if not (repeat.is_known or is_refused or answered.error):
            yield job


def _known_for_s(promises: Promises) -> float:
    """Return for how long a finished job's request is known, in seconds; infinite if it is not forgotten."""
    known_s = promises.deduplicates_for
    if known_s is None:
        return math.inf
    return float(known_s) if isinstance(known_s, int | float) else 0.0
