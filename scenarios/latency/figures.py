"""Latencies as figures: percentiles, and a ratio of percentiles with its interval. Pure.

The interval is a percentile bootstrap over rounds, not over calls: calls of one round share the machine's mood, so they
are not independent (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 8; Kalibera and Jones,
"Rigorous Benchmarking in Reasonable Time", ISMM 2013). Both sides are measured in every round, so a
round is drawn for both at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random
from typing import Any

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.verdict import Outcome

Rounds = Sequence[Sequence[float]]
"""Latencies in ms, by round."""

SHOWN = (50.0, 90.0, 99.0, 99.9)
_RESAMPLES = 400
_LONGEST_US = 3_600_000_000
_SIGNIFICANT_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of so many calls, in ms; ``histogram`` is HdrHistogram's own text form, in µs, which merges."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    longest: float
    histogram: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """One percentile of the subject over that of the baseline, with a 95 % interval.

    Args:
        difference_ms: subject less baseline.
        limit: what the ratio may be at most; None if nothing was asked.
        outcome: pass if the whole interval is within the limit, fail if none of it is, unknown otherwise.
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


def percentiles(latencies: Sequence[float]) -> Percentiles:
    """Return the percentiles of latencies in ms. Raises UsageError if the histogram's library is missing."""
    return percentiles_of(Counter(latencies))


def percentiles_of(counted: Mapping[float, int]) -> Percentiles:
    """Return the percentiles of latencies in ms, given how often each was seen. Raises as percentiles does."""
    histogram = _histogram()
    for ms, count in counted.items():
        histogram.record_value(max(1, round(ms * 1000)), count)
    p50, p90, p99, p999 = (histogram.get_value_at_percentile(percent) / 1000 for percent in SHOWN)
    longest = max(counted, default=0.0)
    text = histogram.encode().decode("ascii")
    return Percentiles(sum(counted.values()), p50, p90, p99, p999, longest, text)


def _histogram() -> Any:
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError as error:
        raise UsageError(
            "Latency needs the package hdrhistogram. Install it with: pip install 'midpipe[bench]'"
        ) from error
    return HdrHistogram(1, _LONGEST_US, _SIGNIFICANT_DIGITS)


def percentile_of(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of ordered values, of which there is at least one."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def ratio_of(
    subject: Rounds,
    baseline: Rounds,
    percent: float,
    *,
    network: str = "",
    operation: str = "",
    mode: str = "",
    limit: float | None = None,
) -> Ratio:
    """Compare one percentile of two that were measured in the same rounds."""
    rng = Random(0)
    count = min(len(subject), len(baseline))
    ordered = [
        (sorted(mine), sorted(theirs)) for mine, theirs in zip(subject, baseline, strict=False)
    ]
    found = []
    for _ in range(_RESAMPLES):
        drawn = rng.choices(ordered, k=count)
        found.append(
            _pooled([m for m, _ in drawn], percent) / _pooled([t for _, t in drawn], percent)
        )
    found.sort()
    mine, theirs = _pooled(subject, percent), _pooled(baseline, percent)
    low, high = percentile_of(found, 2.5), percentile_of(found, 97.5)
    return Ratio(
        network,
        operation,
        mode,
        percent,
        round(mine / theirs, 3),
        round(low, 3),
        round(high, 3),
        round(mine - theirs, 4),
        limit,
        judged(low, high, limit),
    )


def judged(low: float, high: float, limit: float | None) -> Outcome:
    """Return what an interval says of a limit."""
    if limit is None or high <= limit:
        return Outcome.PASS
    return Outcome.FAIL if low > limit else Outcome.UNKNOWN


def _pooled(rounds: Rounds, percent: float) -> float:
    return percentile_of(sorted(chain.from_iterable(rounds)), percent)
