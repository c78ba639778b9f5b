"""When nothing is moved, every call answers as it does on the machine's own clock."""

from __future__ import annotations

import errno
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midpipe.faultinject.clock.stepped import SteppedClock
from tests.real.clock.children import Child
from tests.real.clock.native_programs import Program, compiled

Call = tuple[str, int, int]

short_ns = st.integers(0, 3_000_000)
nanos = short_ns | st.sampled_from([-1, 999_999_999 + 1, -(10**9)])
short_ms = st.integers(0, 3)
short_us = st.integers(0, 3_000)
clocks = st.sampled_from([time.CLOCK_REALTIME, time.CLOCK_MONOTONIC])
any_clock = st.integers(-2, 12)
zero, one = st.just(0), st.just(1)
CALLS: dict[str, tuple[st.SearchStrategy[int], st.SearchStrategy[int]]] = {
    "clock_gettime": (any_clock, zero),
    "nanosleep": (st.sampled_from([0, 0, 0, -1]), nanos),
    "clock_nanosleep": (nanos, any_clock.filter(lambda clock: clock not in (2, 3))),
    "clock_nanosleep_until": (st.integers(-(10**6), 3_000_000), clocks),
    "poll_ready": (short_ms | st.just(-1), zero),
    "poll_silent": (short_ms, zero),
    "ppoll": (st.sampled_from([0, 0, 0, -1]), nanos),
    "select_ready": (short_us, zero),
    "select_silent": (short_us, zero),
    "pselect": (st.sampled_from([0, 0, 0, -1]), nanos),
    "epoll_ready": (short_ms | st.just(-1), st.integers(-1, 2)),
    "epoll_silent": (short_ms, st.integers(-1, 2)),
    "sem_timedwait": (st.sampled_from([0, 0, -1]), short_ns),
    "sem_clockwait": (any_clock, short_ns),
    "sem_post": (zero, zero),
    "mutex_timedlock": (st.sampled_from([0, 0, -1]), short_ns),
    "free_mutex_timedlock": (st.sampled_from([0, 0, -1]), nanos),
    "cond_timedwait": (st.sampled_from([0, 0, -1]), short_ns),
    "sigtimedwait": (st.sampled_from([0, 0, 0, -1]), nanos),
    "sigmask": (st.integers(-1, 3), zero),
    "setitimer": (st.sampled_from([0, 130, 230, -1]), st.sampled_from([0, 500_000, -1, 10**6])),
    "getitimer": (st.integers(-1, 3), zero),
    "alarm": (st.sampled_from([0, 130, 230]), zero),
    "timerfd": (st.sampled_from([0, 130, 230, -1]), st.sampled_from([0, 500_000_000, -1, 10**9])),
    "recv_ready": (short_us, zero),
    "recv_silent": (short_us, zero),
}
IN_NS = ("sem_timedwait", "mutex_timedlock", "cond_timedwait", "sigtimedwait")
calls = st.sampled_from(sorted(CALLS)).flatmap(
    lambda name: st.tuples(st.just(name), CALLS[name][0], CALLS[name][1])
)


@pytest.fixture(scope="module", params=["preloaded", "sanitized"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder = tmp_path_factory.mktemp("native")
    built_in = request.getfixturevalue("sanitized") if request.param == "sanitized" else ()
    return compiled("answers", folder, built_in)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The program without the library, on the machine's clock."""
    plain = compiled("answers", tmp_path)
    with subprocess.Popen(
        [plain.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def asked(process: subprocess.Popen[str], made: list[Call]) -> list[str]:
    assert process.stdin is not None
    assert process.stdout is not None
    answers = []
    for name, a, b in made:
        process.stdin.write(f"{name} {a} {b}\n")
        process.stdin.flush()
        answers.append(process.stdout.readline())
    return answers


def test_every_call_answers_as_on_the_machines_clock(
    program: Program,
    machine: subprocess.Popen[str],
    start: Callable[..., Child],
    clock: SteppedClock,  # noqa: ARG001 - the program is on it, and it is not moved
) -> None:
    child = start(str(program.path), environment=program.environment)

    @settings(
        max_examples=max(100, settings().max_examples),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(calls, min_size=1, max_size=8))
    def compare(made: list[Call]) -> None:
        # The alarm and the timer of the example before.
        made = [("alarm", 0, 0), ("timerfd", 0, 0), *made]
        real = asked(machine, made)
        for call, expected in zip(made, real, strict=True):
            child.send(" ".join(map(str, call)))
            answer = (child.line() or "").split()
            assert answer[:2] == expected.split()[:2], (call, expected)
            # No wait ends early, but for the pace of the wall clock; how late it ends depends on the machine's load.
            if int(answer[1]) in (errno.ETIMEDOUT, errno.EAGAIN) and call[0] in IN_NS:
                assert float(answer[2]) >= call[2] / 1e6 + min(call[1], 0) * 1e3 - 0.01

    compare()
