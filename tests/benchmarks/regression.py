"""Whether a figure has become worse than earlier runs of it account for. Values and pure functions.

Only ratios are held, since times of two runs can't be compared on machines that differ. The noise is what the earlier
runs differ by among themselves, so it takes a few of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

LEAST_RUNS = 3
Figures = Mapping[str, Mapping[str, object]]
"""What one run measured: figures by test id."""

IS_BETTER: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("test_case_against_by_hand", "by_hand_fresh_over_embedded"): "higher",
        ("test_clock_speed", "ratio"): "lower",
        ("test_interleaving_speed", "factor"): "higher",
        ("test_parsing_speed", "fast_path_gain"): "higher",
        ("test_peers_speed", "set_to_old_only"): "higher",
        ("test_proxy_speed", "ratio"): "lower",
        ("test_reference_speed", "dual_to_same_writes"): "lower",
        ("test_reference_speed", "dual_to_old_only"): "lower",
        ("test_reference_speed", "dual_to_set"): "lower",
        ("test_reference_speed", "on_to_off"): "lower",
        ("test_reference_speed", "million_to_hundred"): "lower",
        ("test_soak_speed", "heavy_over_none"): "lower",
        ("test_toxiproxy_speed", "added_latency_ratio"): "lower",
        ("test_toxiproxy_speed", "throughput_ratio"): "higher",
    }
)
"""Which way each held figure is better, by the file that measures it and its name."""


@dataclass(frozen=True, slots=True)
class Held:
    """One figure beside what it was.

    Args:
        worst, best: of the earlier runs.
        is_regression: it is worse than the worst, by more than lies between the worst and the best.
    """

    test: str
    figure: str
    now: float
    worst: float
    best: float
    is_regression: bool

    def __str__(self) -> str:
        word = "WORSE" if self.is_regression else "holds"
        was = f"{min(self.worst, self.best):g} to {max(self.worst, self.best):g}"
        return f"{word}: {self.figure} of {self.test}: {self.now:g}, was {was}"


def held_to(now: Figures, earlier: Sequence[Figures]) -> tuple[Held, ...]:
    """Compare each held figure that all runs have.

    Raises:
        ValueError: too few earlier runs to know the noise.
    """
    if len(earlier) < LEAST_RUNS:
        raise ValueError(
            f"The noise is what earlier runs differ by: give at least {LEAST_RUNS} of them, not {len(earlier)}."
        )
    found = []
    for test, figures in now.items():
        module = test.partition("::")[0].rpartition("/")[2].removesuffix(".py")
        for figure, value in figures.items():
            better = IS_BETTER.get((module, figure))
            were = [run.get(test, {}).get(figure) for run in earlier]
            known = [float(was) for was in were if isinstance(was, int | float)]
            if better and isinstance(value, int | float) and len(known) == len(earlier):
                found.append(_held(test, figure, float(value), known, sign=_SIGN[better]))
    return tuple(found)


_SIGN = MappingProxyType({"lower": 1.0, "higher": -1.0})


def _held(test: str, figure: str, now: float, were: Sequence[float], sign: float) -> Held:
    worst, best = max(were, key=lambda was: sign * was), min(were, key=lambda was: sign * was)
    is_regression = sign * (now - worst) > abs(worst - best)
    return Held(
        test=test, figure=figure, now=now, worst=worst, best=best, is_regression=is_regression
    )
