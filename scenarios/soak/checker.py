"""What became of every job of a leg, told from its history alone. Pure.

The words are Jepsen's (the checkers ``set`` and ``total-queue`` of jepsen.checker): a job is *acknowledged* when an
enqueue answered, *delivered* when a worker completed it (or was given it, where nothing can be completed), *lost* when
it was acknowledged and never delivered although all became quiet, *doubled* when it was delivered twice and nothing
allows that, *recovered* when it was delivered and nobody was told that it was in. What the history leaves open widens
the bounds.

Handing a job out again is allowed when the worker before may have died, or its lease may have ended. Not allowed: after
an acknowledged completion, while a lease surely runs, and a second acknowledged completion.

Memory: what is known of one leg's jobs, so it does not grow with the run; a leg has as many jobs as the plan says.

Blind to: a job that the queue gave to nobody because a claim's answer was lost, as long as it is given out again later.
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
MOST_SUSPECTS = 10
_LATENCY_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number that is known to lie between two."""

    least: int = 0
    most: int = 0

    def __add__(self, other: Bounds) -> Bounds:
        return Bounds(self.least + other.least, self.most + other.most)

    def __str__(self) -> str:
        return f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the jobs.

    Args:
        jobs: of which an enqueue was begun.
        attempts: calls of enqueue that were begun.
        acknowledged: jobs with an enqueue that answered.
        unanswered: jobs with none that did.
        delivered: jobs.
        recovered: delivered, of the unanswered.
        again: handed out again, as allowed.
        refused: completions that answered False: the lease had ended.
        given_up: jobs that the queue itself gave up on, and says so.
        unexpected: jobs that were handed out, and never enqueued.
    """

    jobs: int = 0
    attempts: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    delivered: int = 0
    recovered: int = 0
    lost: Bounds = Bounds()
    doubled: Bounds = Bounds()
    again: int = 0
    refused: int = 0
    given_up: int = 0
    unexpected: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))


@dataclass(frozen=True, slots=True)
class Checked:
    """A leg, checked.

    Args:
        unresolved: jobs that are not known to be delivered, and were not read yet, in order.
        lost, doubled: jobs for which that is sure, in order.
        durations: how many calls took so many ticks, by the kind of record; long ones rounded to three digits.
    """

    tally: Tally
    unresolved: tuple[int, ...]
    lost: tuple[int, ...]
    doubled: tuple[int, ...]
    durations: dict[int, Counter[Ticks]]


@dataclass(slots=True)
class _Held:
    """A job in the hands of one worker."""

    process: int
    claimed: Ticks
    given: Ticks
    completes: list[tuple[int, Ticks, Ticks]] = field(default_factory=list)

    @property
    def completed(self) -> tuple[Ticks, Ticks] | None:
        """When the acknowledged completion began and ended."""
        return next(
            ((begun, ended) for outcome, begun, ended in self.completes if outcome == YES), None
        )


@dataclass(slots=True)
class _Job:
    attempts: int = 0
    acknowledged: bool = False
    held: list[_Held] = field(default_factory=list)
    reads: int = 0


def check(
    records: Iterable[RawRecord], *, completes: bool, lease: Ticks | None, drained: bool = True
) -> Checked:
    """Account for the jobs of a leg.

    Args:
        records: each process's in order; the processes in any.
        completes: workers complete jobs; otherwise a job that was handed out is delivered.
        lease: how long claims are for, in ticks; None: there are no leases, and nothing may be handed out twice.
        drained: workers went on until all was quiet, so a job that still waits will never be delivered.
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
            job.reads = outcome
            continue
        if outcome != RAISED:
            durations[kind][_rounded(ended - begun)] += 1
        if kind == ENQUEUED:
            job.acknowledged = job.acknowledged or outcome != RAISED
        elif kind == HANDED_OUT:
            if outcome != EMPTY:
                job.held.append(_Held(process, begun, ended))
        elif job.held:
            # A worker holds one job at a time, and its records come in order.
            for held in reversed(job.held):
                if held.process == process:
                    held.completes.append((outcome, begun, ended))
                    refused += outcome == NO
                    break
    return _told(jobs, durations, refused, completes, lease, drained)


def _told(
    jobs: dict[int, _Job],
    durations: dict[int, Counter[Ticks]],
    refused: int,
    completes: bool,
    lease: Ticks | None,
    drained: bool,
) -> Checked:
    count: Counter[str] = Counter()
    lost, doubled, unresolved = [], [], []
    for number, job in sorted(jobs.items()):
        if not job.attempts:
            count["unexpected"] += bool(job.held)
            continue
        count["attempts"] += job.attempts
        count["acknowledged" if job.acknowledged else "unanswered"] += 1
        least, most, again = _doubled(job.held, lease)
        count["again"] += again
        count["doubled_most"] += most
        if least:
            doubled.append(number)
        if _is_delivered(job, completes):
            count["delivered"] += 1
            count["recovered"] += not job.acknowledged
        elif job.reads == GIVEN_UP:
            count["given_up"] += 1
        else:
            if not job.reads:
                unresolved.append(number)
            if job.acknowledged:
                count["lost_most"] += 1
                if job.reads not in (0, RAISED) and (drained or job.reads != WAITING):
                    lost.append(number)
    tally = Tally(
        jobs=count["acknowledged"] + count["unanswered"],
        attempts=count["attempts"],
        acknowledged=count["acknowledged"],
        unanswered=count["unanswered"],
        delivered=count["delivered"],
        recovered=count["recovered"],
        lost=Bounds(len(lost), count["lost_most"]),
        doubled=Bounds(len(doubled), count["doubled_most"]),
        again=count["again"],
        refused=refused,
        given_up=count["given_up"],
        unexpected=count["unexpected"],
    )
    return Checked(tally, tuple(unresolved), tuple(lost), tuple(doubled), durations)


def _is_delivered(job: _Job, completes: bool) -> bool:
    if not completes:
        return bool(job.held)
    return job.reads == YES or any(held.completed for held in job.held)


def _doubled(held: list[_Held], lease: Ticks | None) -> tuple[bool, bool, int]:
    """Return whether a job surely was, whether it may have been delivered twice, and how often that was allowed."""
    if len(held) < 2:
        return False, False, 0
    ordered = sorted(held, key=lambda one: (one.given, one.claimed, one.process))
    surely = sum(one.completed is not None for one in held) > 1
    maybe, again = surely, 0
    for place, later in enumerate(ordered[1:], 1):
        verdicts = [_may_both_be(earlier, later, lease) for earlier in ordered[:place]]
        surely = surely or False in verdicts
        maybe = maybe or None in verdicts
        again += all(verdicts)
    return surely, surely or maybe, again


def _may_both_be(earlier: _Held, later: _Held, lease: Ticks | None) -> bool | None:
    """Return whether a job may have been handed out to both; None if the history can't tell.

    Of two claims at once either may have been answered first by the server: one that was frozen hears of its answer
    long after, when its lease has ended and somebody else has done the job.
    """
    verdict = _may_follow(earlier, later, lease)
    if verdict is not True and later.claimed < earlier.given:
        other = _may_follow(later, earlier, lease)
        return verdict if other is False else other
    return verdict


def _may_follow(earlier: _Held, later: _Held, lease: Ticks | None) -> bool | None:
    """Return whether a job may have been handed out later as well; None if the history can't tell."""
    if lease is None:
        return False
    done = earlier.completed
    if done and done[1] < later.claimed:
        return False
    # A refusal says that the lease had ended; a worker that never even tried to complete has died.
    gave_it_back = not earlier.completes or any(
        outcome == NO and ended <= later.given for outcome, _, ended in earlier.completes
    )
    if later.given < earlier.claimed + lease and not gave_it_back:
        return False
    return None if done and done[0] <= later.given else True


def story_of(records: Iterable[RawRecord], jobs: frozenset[int]) -> dict[int, list[Record]]:
    """Return everything that the history knows of some jobs, in the order in which it ended."""
    found: dict[int, list[Record]] = {job: [] for job in sorted(jobs)}
    for record in records:
        if record[3] in found:
            found[record[3]].append(Record(*record))
    for known in found.values():
        known.sort(key=lambda record: (record.ended, record.begun, record.kind))
    return found


def milliseconds(ticks: Ticks) -> float:
    """Return ticks as milliseconds."""
    return ticks * TICK_NS / 1_000_000


def _rounded(ticks: Ticks) -> Ticks:
    """Round a long time to three digits, so that there are not too many different ones."""
    excess = len(str(ticks)) - _LATENCY_DIGITS
    return ticks if excess <= 0 else round(ticks, -excess)
