"""Each way in which a Python program can wait ends neither before its deadline nor later than it."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from midpipe.faultinject.clock.stepped import SteppedClock
from tests.real.clock.children import WAIT_S, Child, check_wait, eventually
from tests.real.clock.conftest import missing
from tests.real.clock.python_waits import (
    ASYNC,
    BLOCKING,
    CHILDREN,
    DESCRIPTORS,
    DRIVERS,
    LOOPS,
    SIGNALS,
    SLEEPS,
    THREADS,
    program,
)

STARTERS = {**SLEEPS, **DESCRIPTORS, **THREADS, **SIGNALS, **CHILDREN, **ASYNC}


@pytest.mark.parametrize("name", STARTERS)
def test_a_wait_ends_at_its_deadline(
    name: str, clock: SteppedClock, start: Callable[..., Child], silent: int, full: int
) -> None:
    if name == "uvloop" and importlib.util.find_spec("uvloop") is None:
        missing("uvloop is not installed")
    source = program(STARTERS[name], SILENT=silent, FULL=full)
    check_wait(clock, start(sys.executable, "-c", source))


@pytest.mark.parametrize("name", LOOPS)
def test_a_program_that_polls_the_clock_sees_it_move(
    name: str, clock: SteppedClock, start: Callable[..., Child]
) -> None:
    child = start(sys.executable, "-c", program(LOOPS[name]))
    assert child.line() == "go"
    clock.advance(WAIT_S)
    assert child.line() is not None


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_times_out_at_its_deadline(
    name: str, clock: SteppedClock, start: Callable[..., Child], silent: int
) -> None:
    check_wait(clock, start(sys.executable, "-c", program(DRIVERS[name], SILENT=silent)))


@pytest.mark.parametrize("name", BLOCKING)
def test_a_blocking_command_ends_at_its_deadline(
    name: str,
    clock: SteppedClock,
    start: Callable[..., Child],
    server: Path,
    ask: Callable[..., bytes],
) -> None:
    child = start(sys.executable, "-c", program(BLOCKING[name], SERVER=str(server)))
    began_s = time.monotonic()  # before the program begins to measure
    assert child.line() == "go"
    eventually(lambda: b"blocked_clients:1" in ask("INFO", "clients") or None)
    clock.advance(WAIT_S - 1)
    clock.advance(1)
    passed_s = float(child.line() or "nan")
    assert WAIT_S <= passed_s <= WAIT_S + time.monotonic() - began_s
