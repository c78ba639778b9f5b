"""What a soak reports while it runs, and its result, as values; and the outcome that follows from a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from midpipe.scenarios.latency.results import Percentiles
from midpipe.scenarios.model.verdict import Outcome, merge
from midpipe.scenarios.soak.checker import Tally

SOAK_SCHEMA = 2
MIN_DELIVERED = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """A report on a running soak.

    Args:
        segment, segments: number of the current one, and how many there are.
        phase: of the segment: ``load``, ``drain`` or ``check``.
        jobs: acknowledged so far, in all segments.
        jobs_total: that the plan enqueues.
        seconds: since the soak began.
        rate: jobs acknowledged per second since the last report.
        depth: jobs that wait in the queue.
        enqueue_ms: mean duration of an enqueue since the last report.
        faults: how many were injected so far, by name.
        lost, duplicated: lower bounds, in the checked segments.
        checked: how many segments were checked.
        days: simulated so far.
    """

    segment: int
    segments: int
    phase: str
    jobs: int
    jobs_total: int
    seconds: float
    rate: float
    depth: int
    enqueue_ms: float
    faults: tuple[tuple[str, int], ...]
    lost: int
    duplicated: int
    checked: int
    days: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultCount:
    """One kind of fault.

    Args:
        planned: how many; None for wire faults, of which there are as many as the load's commands leave room for.
        fired: how many were injected.
    """

    fault: str
    planned: int | None
    fired: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """A job that was lost or duplicated.

    Args:
        what: ``lost`` or ``duplicated``.
        history: its records, a line each.
    """

    job_id: str
    segment: int
    what: str
    history: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """One segment.

    Args:
        plan: its planned server and process faults, as text.
        drained: workers went on until the queue was empty.
        load_s, drain_s, check_s: duration of each phase, in seconds.
    """

    segment: int
    plan: tuple[str, ...]
    tally: Tally
    drained: bool
    load_s: float
    drain_s: float
    check_s: float


@dataclass(frozen=True, slots=True)
class CallLatency:
    """How long the calls of a method took that returned: with the driver's retries, without the caller's."""

    method: str
    percentiles: Percentiles


@dataclass(frozen=True, slots=True)
class Repeated:
    """Requests that midpipe made again; counts.

    Args:
        known: made while the queue has to know them.
        forgotten: of these, answered as if they were new.
        expired: made after the queue has to have forgotten them.
        refused: of these, answered as if they were known.
        raised: of all, answered with an exception.
    """

    known: int = 0
    forgotten: int = 0
    expired: int = 0
    refused: int = 0
    raised: int = 0

    def __add__(self, other: Repeated) -> Repeated:
        return Repeated(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Repeated)))


@dataclass(frozen=True, slots=True)
class SimulatedDays:
    """What passed in a soak of simulated days.

    Args:
        planned: number of days.
        passed: days on the stepped clock.
        expired_keys: as the server counts them.
        ended_leases: jobs that a worker held until its lease ended, once for each worker.
        restarts: kills of the server, which started again on its append-only file.
        failovers: kills of the server, whose replica took over.
    """

    planned: int
    passed: float
    expired_keys: int
    ended_leases: int
    restarts: int
    failovers: int
    repeated: Repeated


@dataclass(frozen=True, slots=True)
class SoakResult:
    """The result of a soak.

    Args:
        taking: how jobs left the queue.
        reasons: why it is not a pass, a sentence each.
        is_partial: it was interrupted.
        raised: how often each type of exception was raised by a call, by name.
        incidents: what happened to a process or a connection without being planned, a sentence each.
        days: None if no days were simulated.
    """

    subject: str
    server: str
    chaos: str
    seed: int
    jobs_total: int
    clients: int
    workers: int
    segment_jobs: int
    taking: str
    outcome: Outcome
    reasons: tuple[str, ...]
    is_partial: bool
    seconds: float
    tally: Tally
    faults: tuple[FaultCount, ...]
    latencies: tuple[CallLatency, ...]
    suspects: tuple[Suspect, ...]
    raised: tuple[tuple[str, int], ...]
    segments: tuple[SegmentResult, ...]
    incidents: tuple[str, ...]
    days: SimulatedDays | None = None
    schema: int = SOAK_SCHEMA


def judged(
    tally: Tally,
    faults: Sequence[FaultCount],
    segments: Sequence[SegmentResult],
    incidents: Sequence[str],
    repeated: Repeated = Repeated(),
) -> tuple[Outcome, tuple[str, ...]]:
    """Return the outcome of a soak, and why it is not a pass."""
    failures = [
        text
        for count, text in (
            (tally.lost.least, f"{tally.lost.least} acknowledged jobs were lost"),
            (tally.duplicated.least, f"{tally.duplicated.least} jobs were delivered twice"),
            (tally.unexpected, f"{tally.unexpected} jobs were handed out and never enqueued"),
            (
                repeated.forgotten,
                f"{repeated.forgotten} of {repeated.known} requests were taken for new ones a minute before they might "
                "be forgotten",
            ),
            (
                repeated.refused,
                f"{repeated.refused} of {repeated.expired} requests were still refused a minute after they should have "
                "been forgotten",
            ),
        )
        if count
    ]
    not_fired = [count.fault for count in faults if not count.fired]
    undrained = [str(segment.segment) for segment in segments if not segment.drained]
    doubts = [
        *([f"{repeated.raised} repeated requests raised"] if repeated.raised else []),
        *([f"these faults were never injected: {', '.join(not_fired)}"] if not_fired else []),
        *([f"segments {', '.join(undrained)} were not drained"] if undrained else []),
        *([f"{tally.lost} jobs may be lost"] if tally.lost.most > tally.lost.least else []),
        *(
            [f"{tally.duplicated} jobs may be duplicated"]
            if tally.duplicated.most > tally.duplicated.least
            else []
        ),
        *(
            [f"only {tally.delivered} jobs were delivered; {MIN_DELIVERED} are the least"]
            if tally.delivered < MIN_DELIVERED
            else []
        ),
        *incidents,
    ]
    outcomes = [Outcome.FAIL] * bool(failures) + [Outcome.UNKNOWN] * bool(doubts)
    return merge(outcomes or [Outcome.PASS]), (*failures, *doubts)
