"""Statistics of latencies: percentiles, and a ratio of percentiles with its confidence interval. No I/O.

The interval is a percentile bootstrap over rounds, not over calls: the calls of one round share the machine's state, so
they are not independent (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 8; Kalibera and Jones,
"Rigorous Benchmarking in Reasonable Time", ISMM 2013). Both subjects are measured in every round, so the bootstrap
draws a round for both at once. Its rng has a fixed seed: the same latencies give the same interval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from random import Random
from typing import Any

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.latency.results import Percentiles, Ratio
from midpipe.scenarios.model.verdict import Outcome

Rounds = Sequence[Sequence[float]]
"""Latencies in ms, by round."""

SHOWN = (50.0, 90.0, 99.0, 99.9)
_RESAMPLES = 400
_LONGEST_US = 3_600_000_000
_SIGNIFICANT_DIGITS = 3


def percentiles(latencies: Sequence[float]) -> Percentiles:
    """Return the percentiles of latencies in ms. Raises UsageError if the package hdrhistogram is missing."""
    return percentiles_of(Counter(latencies))


def percentiles_of(counted: Mapping[float, int]) -> Percentiles:
    """Return the percentiles of latencies in ms, given the count of each. Raises as ``percentiles`` does."""
    histogram = _histogram()
    for ms, count in counted.items():
        histogram.record_value(max(1, round(ms * 1000)), count)
    p50, p90, p99, p999 = (histogram.get_value_at_percentile(percent) / 1000 for percent in SHOWN)
    longest = max(counted, default=0.0)
    text = histogram.encode().decode("ascii")
    return Percentiles(
        count=sum(counted.values()),
        p50=p50,
        p90=p90,
        p99=p99,
        p999=p999,
        longest=longest,
        histogram=text,
    )


def _histogram() -> Any:
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError as error:
        raise UsageError(
            "Latency figures need the package hdrhistogram. Install it with: pip install 'midpipe[bench]'"
        ) from error
    return HdrHistogram(1, _LONGEST_US, _SIGNIFICANT_DIGITS)


def percentile_of(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of sorted values, of which there is at least one."""
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
    """Compare one percentile of the subject with that of the baseline, measured in the same rounds.

    Args:
        subject, baseline: latencies in ms, round by round.
        percent: which percentile, from 0 to 100.
        network, operation, mode: what was measured, for the result.
        limit: the highest ratio allowed; None if there is no limit.
    """
    # Sorted once: merging sorted rounds again and again is cheap.
    pairs = [(sorted(mine), sorted(other)) for mine, other in zip(subject, baseline, strict=False)]
    low, high = _interval(pairs, percent)
    measured, compared_with = _pooled(subject, percent), _pooled(baseline, percent)
    return Ratio(
        network=network,
        operation=operation,
        mode=mode,
        percentile=percent,
        ratio=round(measured / compared_with, 3),
        low=round(low, 3),
        high=round(high, 3),
        difference_ms=round(measured - compared_with, 4),
        limit=limit,
        outcome=judged(low, high, limit),
    )


def _interval(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], percent: float
) -> tuple[float, float]:
    """Return the bounds of the 95 % interval of the ratio, from resampled rounds."""
    rng = Random(0)
    ratios = []
    for _ in range(_RESAMPLES):
        drawn = rng.choices(pairs, k=len(pairs))
        subject, baseline = zip(*drawn, strict=True)
        ratios.append(_pooled(subject, percent) / _pooled(baseline, percent))
    ratios.sort()
    return percentile_of(ratios, 2.5), percentile_of(ratios, 97.5)


def judged(low: float, high: float, limit: float | None) -> Outcome:
    """Return pass if the interval is within the limit or there is none, fail if it is all above, unknown otherwise."""
    if limit is None or high <= limit:
        return Outcome.PASS
    return Outcome.FAIL if low > limit else Outcome.UNKNOWN


def _pooled(rounds: Rounds, percent: float) -> float:
    return percentile_of(sorted(chain.from_iterable(rounds)), percent)
