"""A regression is worse than the worst of earlier runs by more than they differ among themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.regression import Figures, held_to

TEST = "tests/benchmarks/test_proxy_speed.py::test_it"
RATIOS = st.floats(0.01, 100.0)


def run(ratio: float, figure: str = "ratio", test: str = TEST) -> Figures:
    return {test: {figure: ratio}}


@pytest.mark.parametrize(("now", "falls"), [(2.0, False), (2.4, False), (2.41, True), (1.0, False)])
def test_what_is_better_lower_may_be_worse_by_as_much_as_runs_differ(
    now: float, falls: bool
) -> None:
    (held,) = held_to(run(now), [run(2.0), run(2.2), run(2.1)])
    assert held.is_regression is falls


@pytest.mark.parametrize(("now", "falls"), [(0.8, False), (0.79, True), (2.0, False)])
def test_what_is_better_higher_is_held_the_other_way(now: float, falls: bool) -> None:
    test = "tests/benchmarks/test_toxiproxy_speed.py::test_it"
    runs = [run(ratio, "throughput_ratio", test) for ratio in (1.0, 0.9, 0.95)]
    (held,) = held_to(run(now, "throughput_ratio", test), runs)
    assert held.is_regression is falls


@given(st.lists(RATIOS, min_size=3), st.data())
def test_no_run_is_a_regression_from_runs_that_it_is_one_of(
    ratios: list[float], data: st.DataObject
) -> None:
    (held,) = held_to(run(data.draw(st.sampled_from(ratios))), [run(each) for each in ratios])
    assert not held.is_regression


def test_times_are_not_held_nor_is_what_an_earlier_run_has_not_measured() -> None:
    earlier = [run(2.0), run(2.0), run(2.0, test="another")]
    assert held_to(run(9.0), earlier) == ()
    assert held_to(run(9.0, "proxied_us"), [run(1.0, "proxied_us")] * 3) == ()


def test_two_runs_are_too_few_to_know_the_noise() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        held_to(run(1.0), [run(1.0), run(1.0)])
