"""Accounts for every job of a segment from its history alone. Pure.

The words are those of Jepsen's checkers ``set`` and ``total-queue``: a job is *acknowledged* if an enqueue returned,
*delivered* if a worker completed it (or received it, where nothing can be completed), *lost* if it was acknowledged and
never delivered although the queue was drained, *duplicated* if it was delivered twice and nothing allows that,
*recovered* if it was delivered and no enqueue of it returned. Where the history leaves an answer open, the count is
given as bounds.

Redelivery is allowed if the earlier worker may have died or its lease may have ended. It is not allowed after an
acknowledged completion or while a lease certainly runs; nor are two acknowledged completions.

Memory: bounded by one segment's jobs, whose number the plan limits, so it does not grow with the run.

Blind to: a job that no worker received because the reply to a claim was lost, if it is redelivered later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from midpipe.scenarios.soak.history import RawRecord, Record
from midpipe.scenarios.subjects.load import (
    BEGUN,
    COMPLETED,
    EMPTY,
    ENQUEUED,
    GIVEN_UP,
    HANDED_OUT,
    NO,
    RAISED,
    READ,
    TICK_NS,
    WAITING,
    YES,
)

Ticks = int
MAX_SUSPECTS = 10
_LATENCY_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Bounds:
    """A count of which only the bounds are known, both inclusive."""

    least: int = 0
    most: int = 0

    def __add__(self, other: Bounds) -> Bounds:
        return Bounds(self.least + other.least, self.most + other.most)

    def __str__(self) -> str:
        return f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the jobs; the counts are of jobs, unless said otherwise.

    Args:
        jobs: that were enqueued, whether the call returned or not.
        attempts: calls of enqueue.
        acknowledged: at least one enqueue returned.
        unanswered: no enqueue returned.
        delivered: completed, or received where nothing can be completed.
        recovered: delivered, of the unanswered ones.
        lost: acknowledged and never delivered.
        duplicated: delivered more than once, which nothing allows.
        redelivered: allowed redeliveries, after a crash or an ended lease.
        refused: completions that returned False, because the lease had ended.
        given_up: reported as failed for good by the queue itself.
        unexpected: handed out and never enqueued.
        ended_leases: deliveries that ended with the lease, because the worker died or was too late.
    """

    jobs: int = 0
    attempts: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    delivered: int = 0
    recovered: int = 0
    lost: Bounds = Bounds()
    duplicated: Bounds = Bounds()
    redelivered: int = 0
    refused: int = 0
    given_up: int = 0
    unexpected: int = 0
    ended_leases: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A segment, checked.

    Args:
        unresolved: jobs that are not known to be delivered and have no final read yet, in order.
        lost, duplicated: jobs for which that is certain, in order.
        durations: by kind of record, how many calls took how many ticks; long ones rounded to three digits.
    """

    tally: Tally
    unresolved: tuple[int, ...]
    lost: tuple[int, ...]
    duplicated: tuple[int, ...]
    durations: dict[int, Counter[Ticks]]


@dataclass(slots=True)
class _Delivery:
    """A job as one worker received it."""

    process: int
    claimed: Ticks
    received: Ticks
    completes: list[tuple[int, Ticks, Ticks]] = field(default_factory=list)

    @property
    def completed(self) -> tuple[Ticks, Ticks] | None:
        """When the acknowledged completion began and ended."""
        return next(
            ((begun, ended) for outcome, begun, ended in self.completes if outcome == YES), None
        )

    @property
    def has_lost_lease(self) -> bool:
        """Whether the worker never tried to complete the job, or was refused because its lease had ended."""
        return not self.completes or any(outcome == NO for outcome, _, _ in self.completes)


@dataclass(slots=True)
class _Job:
    attempts: int = 0
    acknowledged: bool = False
    deliveries: list[_Delivery] = field(default_factory=list)
    final_read: int = 0


def check(
    records: Iterable[RawRecord], *, completes: bool, lease: Ticks | None, drained: bool = True
) -> CheckResult:
    """Account for the jobs of a segment.

    Args:
        records: in order for each process; the processes in any order.
        completes: workers complete jobs; otherwise a job that was handed out counts as delivered.
        lease: duration of a lease, in ticks; None if there are no leases, and no job may be handed out twice.
        drained: workers went on until the queue was empty, so a job that still waits will never be delivered.
    """
    jobs: dict[int, _Job] = {}
    durations: dict[int, Counter[Ticks]] = {
        kind: Counter() for kind in (ENQUEUED, HANDED_OUT, COMPLETED)
    }
    refused = 0
    for kind, outcome, process, number, begun, ended in records:
        job = jobs.get(number)
        if job is None:
            job = jobs[number] = _Job()
        if kind == BEGUN:
            job.attempts += 1
            continue
        if kind == READ:
            job.final_read = outcome
            continue
        if outcome != RAISED:
            durations[kind][_rounded(ended - begun)] += 1
        if kind == ENQUEUED:
            job.acknowledged = job.acknowledged or outcome != RAISED
        elif kind == HANDED_OUT:
            if outcome != EMPTY:
                job.deliveries.append(_Delivery(process, begun, ended))
        elif job.deliveries:
            # A worker holds one job at a time, and its records are in order.
            for delivery in reversed(job.deliveries):
                if delivery.process == process:
                    delivery.completes.append((outcome, begun, ended))
                    refused += outcome == NO
                    break
    return _tallied(jobs, durations, refused, completes=completes, lease=lease, drained=drained)


def _tallied(
    jobs: dict[int, _Job],
    durations: dict[int, Counter[Ticks]],
    refused: int,
    *,
    completes: bool,
    lease: Ticks | None,
    drained: bool,
) -> CheckResult:
    count: Counter[str] = Counter()
    lost, duplicated, unresolved = [], [], []
    for number, job in sorted(jobs.items()):
        if not job.attempts:
            count["unexpected"] += bool(job.deliveries)
            continue
        count["attempts"] += job.attempts
        count["acknowledged" if job.acknowledged else "unanswered"] += 1
        if lease is not None:
            count["ended_leases"] += sum(one.has_lost_lease for one in job.deliveries)
        certainly, possibly, redelivered = _duplicated(job.deliveries, lease)
        count["redelivered"] += redelivered
        count["duplicated_most"] += possibly
        if certainly:
            duplicated.append(number)
        if _is_delivered(job, completes):
            count["delivered"] += 1
            count["recovered"] += not job.acknowledged
        elif job.final_read == GIVEN_UP:
            count["given_up"] += 1
        else:
            if not job.final_read:
                unresolved.append(number)
            if job.acknowledged:
                count["lost_most"] += 1
                if job.final_read not in (0, RAISED) and (drained or job.final_read != WAITING):
                    lost.append(number)
    tally = Tally(
        jobs=count["acknowledged"] + count["unanswered"],
        attempts=count["attempts"],
        acknowledged=count["acknowledged"],
        unanswered=count["unanswered"],
        delivered=count["delivered"],
        recovered=count["recovered"],
        lost=Bounds(len(lost), count["lost_most"]),
        duplicated=Bounds(len(duplicated), count["duplicated_most"]),
        redelivered=count["redelivered"],
        refused=refused,
        given_up=count["given_up"],
        unexpected=count["unexpected"],
        ended_leases=count["ended_leases"],
    )
    return CheckResult(tally, tuple(unresolved), tuple(lost), tuple(duplicated), durations)


def _is_delivered(job: _Job, completes: bool) -> bool:
    if not completes:
        return bool(job.deliveries)
    return job.final_read == YES or any(one.completed for one in job.deliveries)


def _duplicated(deliveries: list[_Delivery], lease: Ticks | None) -> tuple[bool, bool, int]:
    """Return whether a job certainly is, whether it may be duplicated, and how many redeliveries were allowed."""
    if len(deliveries) < 2:
        return False, False, 0
    ordered = sorted(deliveries, key=lambda one: (one.received, one.claimed, one.process))
    certainly = sum(one.completed is not None for one in deliveries) > 1
    possibly, redelivered = certainly, 0
    for place, later in enumerate(ordered[1:], 1):
        verdicts = [_may_both_hold(earlier, later, lease) for earlier in ordered[:place]]
        certainly = certainly or False in verdicts
        possibly = possibly or None in verdicts
        redelivered += all(verdicts)
    return certainly, certainly or possibly, redelivered


def _may_both_hold(earlier: _Delivery, later: _Delivery, lease: Ticks | None) -> bool | None:
    """Return whether a job may have been handed out to both; None if the history leaves it open.

    The server may have served two concurrent claims in either order: a frozen worker reads its reply long after, when
    its lease has ended and another worker has completed the job.
    """
    verdict = _may_follow(earlier, later, lease)
    if verdict is not True and later.claimed < earlier.received:
        other = _may_follow(later, earlier, lease)
        return verdict if other is False else other
    return verdict


def _may_follow(earlier: _Delivery, later: _Delivery, lease: Ticks | None) -> bool | None:
    """Return whether the later delivery is allowed after the earlier one; None if the history leaves it open."""
    if lease is None:
        return False
    done = earlier.completed
    if done and done[1] < later.claimed:
        return False
    # A refusal means that the lease had ended; a worker that never tried to complete has died.
    was_released = not earlier.completes or any(
        outcome == NO and ended <= later.received for outcome, _, ended in earlier.completes
    )
    if later.received < earlier.claimed + lease and not was_released:
        return False
    return None if done and done[0] <= later.received else True


def records_of(records: Iterable[RawRecord], jobs: frozenset[int]) -> dict[int, list[Record]]:
    """Return all records of some jobs, by job, in the order in which the events ended."""
    found: dict[int, list[Record]] = {job: [] for job in sorted(jobs)}
    for record in records:
        if record[3] in found:
            found[record[3]].append(Record(*record))
    for events in found.values():
        events.sort(key=lambda record: (record.ended, record.begun, record.kind))
    return found


def milliseconds(ticks: Ticks) -> float:
    """Convert ticks to milliseconds."""
    return ticks * TICK_NS / 1_000_000


def _rounded(ticks: Ticks) -> Ticks:
    """Round a duration to three digits, which bounds the number of distinct values."""
    excess = len(str(ticks)) - _LATENCY_DIGITS
    return ticks if excess <= 0 else round(ticks, -excess)
