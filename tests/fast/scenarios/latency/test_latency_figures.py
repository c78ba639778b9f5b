"""Latency statistics: percentiles by rank, and a ratio with its confidence interval."""

from __future__ import annotations

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from midpipe.scenarios.latency.figures import judged, percentile_of, percentiles, ratio_of
from midpipe.scenarios.latency.networks import NETWORKS, delays
from midpipe.scenarios.model.verdict import Outcome

MS = st.floats(0.01, 1_000.0)


def test_the_median_of_three_is_the_one_in_the_middle() -> None:
    assert percentile_of([1.0, 2.0, 9.0], 50.0) == 2.0


def test_the_99th_percentile_of_a_hundred_leaves_one_above() -> None:
    assert percentile_of([float(number) for number in range(1, 101)], 99.0) == 99.0


@given(st.lists(MS, min_size=1, max_size=200), st.floats(0.1, 100.0))
def test_a_percentile_has_its_share_at_or_below_it(values: list[float], percent: float) -> None:
    found = percentile_of(sorted(values), percent)
    assert sum(value <= found for value in values) * 100 >= percent * len(values) - 1e-6


@given(st.lists(MS, min_size=1, max_size=100))
def test_a_histogram_is_within_a_thousandth_of_the_exact_median(values: list[float]) -> None:
    exact = percentile_of(sorted(values), 50.0)
    assert percentiles(values).p50 == pytest.approx(exact, rel=2e-3, abs=2e-3)


def test_histograms_of_two_runs_can_be_merged() -> None:
    one, two = percentiles([1.0] * 10), percentiles([3.0] * 30)
    merged = HdrHistogram.decode(one.histogram)
    merged.add(HdrHistogram.decode(two.histogram))
    assert merged.get_total_count() == 40


def test_a_subject_twice_as_slow_in_every_round_has_a_ratio_of_two() -> None:
    baseline = [[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [1.0, 2.0, 5.0]]
    ratio = ratio_of([[2 * ms for ms in one] for one in baseline], baseline, 99.0)
    assert (ratio.ratio, ratio.low, ratio.high) == (2.0, 2.0, 2.0)


def test_a_tail_in_one_round_of_many_widens_the_interval() -> None:
    calm = [[1.0] * 50] * 10
    ratio = ratio_of([*calm[:9], [1.0] * 40 + [50.0] * 10], calm, 99.0, limit=1.1)
    assert ratio.low == 1.0
    assert ratio.high == 50.0
    assert ratio.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.9, 1.05, Outcome.PASS),
        (1.2, 1.4, Outcome.FAIL),
        (0.9, 1.4, Outcome.UNKNOWN),
    ],
)
def test_an_interval_decides_only_if_all_of_it_is_on_one_side_of_the_limit(
    low: float, high: float, outcome: Outcome
) -> None:
    assert judged(low, high, 1.1) is outcome


def test_the_planned_share_of_replies_stalls_and_no_request_does() -> None:
    delay_s = delays(NETWORKS["lossy"], 1)
    assert not [True for _ in range(5_000) if delay_s(False) > 0.1]
    stalls = sum(delay_s(True) > 0.1 for _ in range(50_000))
    assert stalls / 50_000 == pytest.approx(NETWORKS["lossy"].stall_share, rel=0.2)


def test_a_network_draws_the_same_delays_for_the_same_seed() -> None:
    first, second = (delays(NETWORKS["cross-zone"], 7) for _ in range(2))
    assert [first(True) for _ in range(20)] == [second(True) for _ in range(20)]
