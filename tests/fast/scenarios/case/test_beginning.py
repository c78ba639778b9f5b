"""Which first commands are out of date once time has passed: those with a wall-clock time among their words."""

from __future__ import annotations

import pytest

from midpipe.scenarios.case.beginning import sends_time

NOW_S = 1_796_000_000.0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), False),
        ((b"LMOVE", b"waiting", b"running", b"LEFT", b"RIGHT"), False),
        ((b"ZRANGEBYSCORE", b"leases", b"-inf", b"1796000000.25"), True),
        ((b"ZRANGEBYSCORE", b"leases", b"-inf", b"(1796000000"), True),
        ((b"ZADD", b"leases", b"1796000030000", b"job-1"), True),
        ((b"ZADD", b"leases", b"1796000030000000", b"job-1"), True),
        ((b"SET", b"job-1", b'{"due":1796086400.5,"to":"x"}'), True),
        ((b"SET", b"job-1", b"1700000000"), False),
        ((b"SET", b"job-1", b"17960000000"), False),
        ((b"SET", b"job-1", b"0.1796000000"), False),
        ((b"SET", b"job-1", b"x" * 5_000 + b"1796000000"), False),
    ],
)
def test_a_time_is_a_number_near_the_present_in_some_unit(
    words: tuple[bytes, ...], expected: bool
) -> None:
    assert sends_time(words, NOW_S) is expected
