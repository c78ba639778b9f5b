"""What a bench found, as values: a row per subject, network, operation and kind of load; ratios; an outage's course."""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.scenarios.latency.figures import Percentiles, Ratio
from midpipe.scenarios.model.verdict import Outcome

BENCH_SCHEMA = 2
OUT_OF_REACH, FAILOVER = "outage", "failover"


@dataclass(frozen=True, slots=True)
class Row:
    """How long one operation of one subject took.

    Args:
        mode: ``closed`` (the next call begins when the last has ended) or ``open at N/s`` (calls are due at fixed
            times, and a call's time counts from when it was due: no coordinated omission).
        round_trips: per call, counted on the wire.
        errors: calls that raised; they are no latencies.
    """

    subject: str
    network: str
    operation: str
    mode: str
    round_trips: float
    errors: int
    percentiles: Percentiles


@dataclass(frozen=True, slots=True)
class OutageCall:
    """One call of the load that runs through an outage; times in seconds from the load's begin."""

    due_s: float
    ms: float
    ok: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """A subject's enqueues, due at a fixed rate, while the server can't be reached for a while.

    Args:
        cause: OUT_OF_REACH or FAILOVER.
        succeeds_again_s: from the end of the outage to the end of the first call that returned; None if none did.
        failed: calls that raised.
        longest_ms: from when a call was due to when it returned or raised.
    """

    subject: str
    cause: str
    begins_s: float
    ends_s: float
    succeeds_again_s: float | None
    failed: int
    longest_ms: float
    calls: tuple[OutageCall, ...]

    @property
    def what(self) -> str:
        """What it was, with its article."""
        return "a failover" if self.cause == FAILOVER else "an outage"


@dataclass(frozen=True, slots=True)
class Bench:
    """A whole bench."""

    midpipe: str
    command: str
    machine: str
    server: str
    started_at: str
    seconds: float
    rounds: int
    outcome: Outcome
    rows: tuple[Row, ...]
    ratios: tuple[Ratio, ...]
    outages: tuple[Outage, ...]
    schema: int = BENCH_SCHEMA
