"""What the stepped clock costs, as ratios with and without it, and how soon a moved deadline ends a wait."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from midpipe.faultinject.clock.compiling import compiler
from midpipe.faultinject.clock.preload import libraries
from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.embedded import binary_from_the_wheel
from midpipe.faultinject.vocabulary import Address
from tests.real.clock.children import Child, started_server

ROUNDS = 15
READS = r"""
#include <stdio.h>
#include <time.h>
int main(void) {
    struct timespec begun, now;
    enum { READS = 5000000 };
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int number = 0; number < READS; number++)
        clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%.9f\n", ((double)(now.tv_sec - begun.tv_sec) + (double)(now.tv_nsec - begun.tv_nsec) / 1e9) / READS);
}
"""
REDIS = """
import sys, time, redis
client = redis.Redis(unix_socket_path=sys.argv[1], socket_timeout=5)
client.ping()
begun = time.perf_counter()
for number in range(2000): client.set("k", "v")
print((time.perf_counter() - begun) / 2000)
"""
Environment = dict[str, str]


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SteppedClock]:
    *_, library = libraries(tmp_path_factory.mktemp("cache"))
    assert isinstance(library, Path), library
    made = SteppedClock(library, tmp_path_factory.mktemp("clock"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def environments(clock: SteppedClock) -> tuple[Environment, Environment]:
    """The variables of a process without the clock, and with it."""
    return dict(os.environ), {**os.environ, **clock.environment()}


def medians(measure: Callable[[int], float], rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the medians without and with the clock; they take turns, so that a busy machine is busy for both."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for which in (0, 1):
            taken[which].append(measure(which))
    return statistics.median(taken[0]), statistics.median(taken[1])


def printed(command: list[str], environment: Environment) -> float:
    return float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def compare(benchmark: Any, measure: Callable[[int], float], rounds: int = ROUNDS) -> None:
    without_s, with_s = benchmark.pedantic(lambda: medians(measure, rounds), rounds=1)
    benchmark.extra_info.update(
        without_us=round(without_s * 1e6, 3),
        with_us=round(with_s * 1e6, 3),
        ratio=round(with_s / without_s, 3),
    )


def test_reading_the_clock(
    benchmark: Any, environments: tuple[Environment, Environment], tmp_path: Path
) -> None:
    source, program = tmp_path / "reads.c", tmp_path / "reads"
    source.write_text(READS)
    subprocess.run([*(compiler() or ()), "-O2", "-o", program, source], check=True)
    compare(benchmark, lambda which: printed([str(program)], environments[which]))


def test_starting_a_process(benchmark: Any, environments: tuple[Environment, Environment]) -> None:
    def started(which: int) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", ""], env=environments[which], check=True)
        return time.perf_counter() - begun

    compare(benchmark, started, 3 * ROUNDS)


@pytest.fixture(scope="module")
def servers(clock: SteppedClock) -> Iterator[tuple[Path, Path]]:
    """The sockets of a server without the clock, and of one with it."""
    with RunDirectory() as run, ExitStack() as stack:
        folders = [run.subdirectory("server") for _ in range(2)]
        binary = binary_from_the_wheel()
        plain = stack.enter_context(started_server(None, binary, folders[0]))
        yield plain, stack.enter_context(started_server(clock, binary, folders[1]))


@pytest.mark.parametrize("commands", [1, 100])
def test_commands_to_a_server(benchmark: Any, servers: tuple[Path, Path], commands: int) -> None:
    controls = [Control(Address(path=str(path))) for path in servers]
    pipeline = [("SET", "k", "v")] * commands

    def sent(which: int) -> float:
        begun = time.perf_counter()
        for _ in range(2000 // commands):
            controls[which].pipeline(pipeline)
        return (time.perf_counter() - begun) / 2000

    compare(benchmark, sent)
    for control in controls:
        control.close()


def test_commands_from_redis_py(
    benchmark: Any, environments: tuple[Environment, Environment], servers: tuple[Path, Path]
) -> None:
    """With a client on the clock, its server is, too."""
    command = [sys.executable, "-c", REDIS]
    compare(
        benchmark,
        lambda which: printed([*command, str(servers[which])], environments[which]),
    )


def test_a_time_out_of_an_hour(benchmark: Any, clock: SteppedClock) -> None:
    """From the decision to move the clock until the process has noticed that its deadline has passed."""
    source = "import time\nwhile True: print('go', flush=True); time.sleep(3600)"
    with Child(clock, sys.executable, "-c", source) as child:

        def waited() -> float:
            assert child.line() == "go"
            child.await_wait(3600)
            begun = time.perf_counter()
            clock.advance_to_next_deadline(among=[child.pid])
            return time.perf_counter() - begun

        taken = benchmark.pedantic(lambda: sorted(waited() for _ in range(200)), rounds=1)
    benchmark.extra_info.update(
        median_us=round(taken[100] * 1e6),
        p95_us=round(taken[190] * 1e6),
        max_us=round(taken[-1] * 1e6),
    )
