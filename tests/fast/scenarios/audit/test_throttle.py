"""What makes an audit wait, and what ends it."""

from __future__ import annotations

from math import inf

import pytest

from midpipe.scenarios.audit.throttle import Limits, Measured, Throttle

LIMITS = Limits(ops_s=100.0, latency_ms=5.0, lag_s=10.0, load={"ops": 50.0}, critical={"mem": 9.0})


@pytest.fixture
def throttle() -> Throttle:
    made = Throttle(LIMITS, 0.0)
    for _ in range(20):
        assert made.decide(Measured(0.0, 1.0)).wait_s == 0
    return made


def test_it_waits_until_the_rate_is_kept(throttle: Throttle) -> None:
    throttle.spent(200.0, 10.0)
    decision = throttle.decide(Measured(10.5, 1.0))
    assert (decision.wait_s, decision.reason) == (1.5, "100 operations a second")
    assert throttle.decide(Measured(12.0, 1.0)).wait_s == 0


def test_a_pause_earns_no_burst_afterwards(throttle: Throttle) -> None:
    throttle.spent(100.0, 1000.0)
    assert throttle.decide(Measured(1000.0, 1.0)).wait_s == 1.0


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Measured(0.0, 1.0, is_paused=True), "the pause file exists"),
        (Measured(0.0, 1.0, lag_s=11.0), "the replica is 11 s behind"),
        (Measured(0.0, 1.0, lag_s=inf), "the replica's link to its primary is down"),
        (Measured(0.0, 1.0, {"ops": 51.0}), "load: ops is above 50"),
    ],
)
def test_any_one_reason_is_enough_to_wait(throttle: Throttle, seen: Measured, reason: str) -> None:
    first, second = throttle.decide(seen), throttle.decide(seen)
    assert (first.reason, first.wait_s < second.wait_s) == (reason, True)
    assert throttle.decide(Measured(0.0, 1.0)).wait_s == 0


def test_latency_that_lasts_makes_it_wait_and_one_slow_ping_does_not(throttle: Throttle) -> None:
    slow = Measured(0.0, 7.0)
    assert [throttle.decide(slow).wait_s > 0 for _ in range(3)] == [False, False, True]
    assert throttle.added_ms == 6.0


def test_a_critical_load_ends_it(throttle: Throttle) -> None:
    decision = throttle.decide(Measured(0.0, 1.0, {"mem": 9.5}))
    assert (decision.ends, decision.reason) == (True, "critical load: mem is above 9")


def test_a_critical_latency_ends_it_only_if_it_lasts(throttle: Throttle) -> None:
    dead = Measured(0.0, 2000.0)
    assert [throttle.decide(dead).ends for _ in range(3)] == [False, False, True]
