"""The Mann-Whitney U test: whether values of one group tend to be greater than those of another. Pure.

The test assumes no distribution, so a few stalls do not decide it, as they would decide a comparison of means. It uses
the normal approximation, corrected for ties and continuity, which is good from about 10 values in each group; the plan
asks for more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two groups of values compare.

    Args:
        p: the probability to see so large a difference, or a larger one, if the first group were not greater.
        superiority: the share of pairs in which the first group's value is the greater one; ties count half. 0.5 is
            no difference.
    """

    p: float
    superiority: float


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Return how likely the values of the first group are greater than those of the second.

    Raises:
        ValueError: a group is empty.
    """
    n, m = len(first), len(second)
    if not n or not m:
        raise ValueError("both groups need values")
    together = sorted([*first, *second])
    counts = Counter(together)
    ranks, passed = {}, 0
    for value, count in sorted(counts.items()):
        ranks[value] = passed + (count + 1) / 2
        passed += count
    u = sum(ranks[value] for value in first) - n * (n + 1) / 2
    total = n + m
    ties = sum(count**3 - count for count in counts.values())
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return Comparison(1.0, 0.5)
    z = (u - n * m / 2 - 0.5) / math.sqrt(variance)
    return Comparison(math.erfc(z / math.sqrt(2)) / 2, u / (n * m))
