"""The wall clock of one process can be off, and all wall clocks can be stepped; what lasts, lasts as long as ever."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.errors import NotApplicableError, UsageError
from tests.real.clock.children import Child

READER = """
import os, subprocess, sys, time
while command := sys.stdin.readline().strip():
    if command == "fork" and os.fork():
        os.wait()
    elif command == "program":
        subprocess.run([sys.executable, "-c", "import time; print(time.time(), time.monotonic())"])
    else:
        print(time.time(), time.monotonic(), flush=True)
        if command == "fork": os._exit(0)
"""


def offsets(clock: SteppedClock, child: Child, command: str = "read") -> tuple[int, int]:
    """Return by how many seconds the clocks of a child are off."""
    child.send(command)
    wall_s, now_s = map(float, (child.line() or "").split())
    return round(wall_s - clock.wall_s()), round(now_s - clock.now_s())


def test_one_process_has_another_wall_clock_and_the_same_monotonic_clock(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    one, other = (start(sys.executable, "-c", READER) for _ in range(2))
    assert (offsets(clock, one), offsets(clock, other)) == ((0, 0), (0, 0))
    clock.skew(one.pid, -3600.0)
    clock.advance(10)
    assert (offsets(clock, one), offsets(clock, other)) == ((-3600, 0), (0, 0))
    clock.skew(one.pid, 30.0)
    clock.skew(other.pid, 60.0)
    assert (offsets(clock, one), offsets(clock, other)) == ((30, 0), (60, 0))
    clock.skew(one.pid, 0.0)
    assert (offsets(clock, one), offsets(clock, other)) == ((0, 0), (60, 0))


@pytest.mark.parametrize("command", ["fork", "program"])
def test_children_have_the_skew_of_their_parent(
    command: str, clock: SteppedClock, start: Callable[..., Child]
) -> None:
    child = start(sys.executable, "-c", READER)
    assert offsets(clock, child) == (0, 0)
    clock.skew(child.pid, 600.0)
    assert offsets(clock, child, command) == (600, 0)


def test_children_that_a_process_has_already_are_skewed_with_it(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    source = "import os, sys\nif os.fork(): os.wait()\nelse:\n    print('go', flush=True)\n"
    child = start(sys.executable, "-c", source + READER.replace("\n", "\n    "))
    assert child.line() == "go"
    clock.skew(child.pid, 600.0)
    assert offsets(clock, child) == (600, 0)


def test_a_process_keeps_its_skew_when_it_becomes_another_program(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    becomes = f"os.execv(sys.executable, ['python', '-c', {READER!r}])"
    source = f"import os, sys\nprint('go', flush=True); os.read(0, 1)\n{becomes}"
    child = start(sys.executable, "-u", "-c", source)
    assert child.line() == "go"
    clock.skew(child.pid, 600.0)
    child.send("")
    assert offsets(clock, child) == (600, 0)


def test_a_step_of_the_wall_clock_changes_no_relative_wait(
    clock: SteppedClock, start: Callable[..., Child]
) -> None:
    reader, sleeper = start(sys.executable, "-c", READER), start("sleep", "1000")
    sleeper.await_wait(1000)
    before_s = clock.wall_s() - clock.now_s()
    clock.step_wall(5000)
    clock.step_wall(-7000)
    assert clock.wall_s() - clock.now_s() == pytest.approx(before_s - 2000, abs=1)
    assert offsets(clock, reader) == (0, 0)
    sleeper.await_wait(1000)


@pytest.mark.parametrize("way", ["step_wall", "skew"])
def test_a_wait_until_a_time_on_the_wall_clock_ends_when_the_wall_clock_shows_it(
    way: str, clock: SteppedClock, start: Callable[..., Child]
) -> None:
    source = """
import ctypes, time
until = (ctypes.c_long * 2)(int(time.time()) + 1000, 0)
ctypes.CDLL(None).clock_nanosleep(time.CLOCK_REALTIME, 1, until, None)
print("ok", flush=True)
"""
    child = start(sys.executable, "-c", source)
    child.await_wait(1000)
    if way == "skew":
        clock.skew(child.pid, 1000.0)
    else:
        clock.step_wall(1000.0)
    assert child.line() == "ok"


def test_a_process_that_is_not_on_the_clock_is_refused(clock: SteppedClock) -> None:
    with pytest.raises(UsageError, match="not on this clock"):
        clock.skew(1, 1.0)


def test_time_does_not_go_back(clock: SteppedClock) -> None:
    with pytest.raises(UsageError, match="step_wall"):
        clock.advance(-1.0)


def test_the_wall_clock_says_why_it_cannot_be_moved() -> None:
    wall = WallClock("there is no C compiler (cc) on PATH")
    with pytest.raises(NotApplicableError, match="no C compiler"):
        wall.skew(1, 1.0)
    with pytest.raises(NotApplicableError, match="no C compiler"):
        wall.step_wall(1.0)
    with pytest.raises(NotApplicableError, match="no C compiler"):
        wall.hold()
    assert (wall.waiters(), wall.advance_to_next_deadline(), dict(wall.environment())) == (
        (),
        None,
        {},
    )
