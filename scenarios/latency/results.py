"""The result of a bench as values: a row for each subject, network, operation and load; ratios; outages. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.scenarios.model.verdict import Outcome

BENCH_SCHEMA = 2
CLOSED = "closed"
"""The mode of a load in which a call begins when the one before has ended."""
OUT_OF_REACH, FAILOVER = "outage", "failover"


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of latencies, in ms.

    Args:
        count: number of calls.
        longest: the highest latency.
        histogram: HdrHistogram's text form, in µs; the histograms of two runs can be merged.
    """

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    longest: float
    histogram: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """One percentile of the subject divided by that of the baseline.

    Args:
        low, high: bounds of the 95 % interval of the ratio.
        difference_ms: subject minus baseline.
        limit: the highest ratio allowed; None if there is no limit.
        outcome: pass if the whole interval is within the limit, fail if it is all above, unknown otherwise.
    """

    network: str
    operation: str
    mode: str
    percentile: float
    ratio: float
    low: float
    high: float
    difference_ms: float
    limit: float | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Row:
    """The latency of one operation of one subject.

    Args:
        mode: ``closed`` (a call begins when the one before has ended) or ``open at N/s`` (calls are due at fixed times,
            and a call's latency counts from when it was due, which avoids coordinated omission).
        round_trips: per call, counted on the wire.
        errors: calls that raised; they are not among the latencies.
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
    """One call during an outage.

    Args:
        due_s: when it was due, in seconds since the load began.
        ms: from when it was due until it returned or raised.
        ok: it returned.
    """

    due_s: float
    ms: float
    ok: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """A subject's enqueues at a fixed rate, while the server is unreachable for some time.

    Args:
        cause: OUT_OF_REACH or FAILOVER.
        begins_s, ends_s: in seconds since the load began.
        succeeds_again_s: from the end of the outage until the first call returned; None if none did.
        failed: number of calls that raised.
        longest_ms: the longest call, from when it was due until it returned or raised.
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
        """The kind of outage, with its article."""
        return "a failover" if self.cause == FAILOVER else "an outage"


@dataclass(frozen=True, slots=True)
class Bench:
    """The result of a whole bench."""

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
