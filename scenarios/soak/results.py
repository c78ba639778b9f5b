"""What a soak shows while it runs and what it found, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midpipe.scenarios.latency.figures import Percentiles
from midpipe.scenarios.model.verdict import Outcome, merge
from midpipe.scenarios.soak.checker import Tally

SOAK_SCHEMA = 1
LEAST_JOBS = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """A look at a soak that runs.

    Args:
        phase: what the leg is at: ``load``, ``drain`` or ``check``.
        jobs: acknowledged so far, in all legs.
        rate: jobs acknowledged a second since the last look.
        depth: jobs that wait.
        enqueue_ms: what an enqueue took since the last look, on average.
        faults: that fired so far, by name.
        lost, doubled: at least, in the legs that were checked.
        checked: legs.
    """

    leg: int
    legs: int
    phase: str
    jobs: int
    jobs_total: int
    seconds: float
    rate: float
    depth: int
    enqueue_ms: float
    faults: tuple[tuple[str, int], ...]
    lost: int
    doubled: int
    checked: int


@dataclass(frozen=True, slots=True)
class FaultCount:
    """A kind of fault: how many were planned (None: as many as the load's commands gave room for), how many fired."""

    fault: str
    planned: int | None
    fired: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """A job that was lost or doubled, and what the history knows of it, a line each."""

    job_id: str
    leg: int
    what: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LegResult:
    """One leg: its planned faults of the server and of processes as text, and what became of its jobs.

    Args:
        drained: workers went on until all was quiet.
        check_s: what checking took, in seconds.
    """

    leg: int
    plan: tuple[str, ...]
    tally: Tally
    drained: bool
    load_s: float
    drain_s: float
    check_s: float


@dataclass(frozen=True, slots=True)
class CallLatency:
    """How long calls of a method took that returned, retries of the driver included, those of the caller not."""

    method: str
    percentiles: Percentiles


@dataclass(frozen=True, slots=True)
class SoakResult:
    """What a soak found.

    Args:
        taking: how jobs left the queue.
        reasons: why it is no pass, a sentence each.
        is_partial: it was interrupted.
    """

    subject: str
    server: str
    chaos: str
    seed: int
    jobs_total: int
    clients: int
    workers: int
    leg_jobs: int
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
    legs: tuple[LegResult, ...]
    invalid_reason: tuple[str, ...]
    schema: int = SOAK_SCHEMA


def judged(
    tally: Tally,
    faults: Sequence[FaultCount],
    legs: Sequence[LegResult],
    invalid_reason: Sequence[str],
) -> tuple[Outcome, tuple[str, ...]]:
    """Return the outcome of a soak, and why it is no pass."""
    failures = [
        text
        for number, text in (
            (tally.lost.least, f"{tally.lost.least} acknowledged jobs were lost"),
            (tally.doubled.least, f"{tally.doubled.least} jobs were delivered twice"),
            (tally.unexpected, f"{tally.unexpected} jobs were handed out that nobody enqueued"),
        )
        if number
    ]
    silent = [count.fault for count in faults if not count.fired]
    undrained = [str(leg.leg) for leg in legs if not leg.drained]
    doubts = [
        *([f"no {', no '.join(silent)} was fired"] if silent else []),
        *([f"legs {', '.join(undrained)} were not drained"] if undrained else []),
        *([f"{tally.lost} jobs may be lost"] if tally.lost.most > tally.lost.least else []),
        *(
            [f"{tally.doubled} jobs may be doubled"]
            if tally.doubled.most > tally.doubled.least
            else []
        ),
        *([f"only {tally.delivered} jobs were delivered"] if tally.delivered < LEAST_JOBS else []),
        *invalid_reason,
    ]
    outcomes = [Outcome.FAIL] * bool(failures) + [Outcome.UNKNOWN] * bool(doubts)
    return merge(outcomes or [Outcome.PASS]), (*failures, *doubts)
