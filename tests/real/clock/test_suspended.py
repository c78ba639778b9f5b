"""A suspended process misses the time that passes: its time-outs wait, and only its wall clock moves on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from midpipe.faultinject.clock.stepped import SteppedClock
from tests.real.clock.children import Child

HOUR_S = 3_600
READS = """
import os, sys, threading, time
def read(): print(time.time(), time.monotonic(), flush=True)
"""


def readings(child: Child) -> tuple[float, float]:
    wall_s, monotonic_s = map(float, (child.line() or "").split())
    return wall_s, monotonic_s


def test_a_wait_does_not_end_by_time_that_its_process_misses(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    sleeper, other = start("sleep", "600"), start("sleep", "600")
    sleeper.await_wait(600)
    other.await_wait(600)
    clock.advance(HOUR_S, suspended=[sleeper.pid])
    assert other.wait() == 0
    sleeper.await_wait(600)
    clock.advance(600)
    assert sleeper.wait() == 0


def test_a_suspended_process_and_its_children_miss_time_on_their_monotonic_clock_only(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    source = READS + (
        "read()\nchild = os.fork()\nif child: os.wait()\n"
        "else: print('forked', flush=True); sys.stdin.readline(); read(); os._exit(0)\n"
        "read()"
    )
    began_s = time.monotonic()
    process = start(sys.executable, "-c", source)
    before = readings(process)
    assert process.line() == "forked"
    clock.advance(HOUR_S, suspended=[process.pid])
    clock.advance(60)
    process.send("")
    for wall_s, monotonic_s in (readings(process), readings(process)):
        real_s = time.monotonic() - began_s
        assert HOUR_S + 60 <= wall_s - before[0] <= HOUR_S + 60 + real_s
        assert 60 <= monotonic_s - before[1] <= 60 + real_s
