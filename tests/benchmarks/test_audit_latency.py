"""What an audit costs the queue that it reads: the latency of putting a job in, with and without an audit beside it.

The audit runs within its default limits, in a process that is stopped and let go on by turns, so that a busy machine is
busy for both sides. The queue's own producers and workers load the server meanwhile.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest
import redis

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import EmbeddedServer
from tests.real.audit_planting import Planting, Reviewed
from tests.real.audit_stream_planting import Shop, Streaq, Taskiq
from tests.real.commands import started
from tests.real.test_audit_finds import load
from tests.real.waiting import wait_until
from tests.support.ports import free_port

JOBS = 3_000
TURNS = 12
TURN_S = 1.0
PAUSE_S = 0.002
READS = ("scan", "hgetall", "get", "xrange", "xpending")


@pytest.fixture
def driver() -> Iterator[Any]:
    with RunDirectory() as run:
        server = EmbeddedServer(None, run)
        client = redis.Redis(unix_socket_path=server.address.path, decode_responses=True)
        yield client
        client.close()
        server.stop()


def reads(driver: Any) -> int:
    """Return how many commands of the kinds that an audit sends have run."""
    calls = driver.info("commandstats")
    return sum(calls.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in READS)


def latencies_ms(planting: Planting, numbers: Iterator[int]) -> list[float]:
    """Put jobs in for a turn; return how long each took, in ms."""
    end_s, took = time.perf_counter() + TURN_S, []
    for number in numbers:
        begun_s = time.perf_counter()
        planting.put_in(f"probe-{number}")
        ended_s = time.perf_counter()
        took.append(1000 * (ended_s - begun_s))
        if ended_s > end_s:
            break
        time.sleep(PAUSE_S)
    return took


@pytest.mark.parametrize("queue", [Reviewed, Shop, Streaq, Taskiq])
def test_latency_of_putting_a_job_in_while_an_audit_runs(
    benchmark: Any, driver: Any, tmp_path: Path, queue: type[Planting]
) -> None:
    planting = queue(driver, random.Random(1))
    planting.prepare()
    planting.sane(JOBS)
    url = f"unix://{driver.connection_pool.connection_kwargs['path']}"
    words = ["audit", "--redis", url, "--layout", queue.layout, "--phase", queue.phase]
    words += ["--allow-writer", "--settle", "0.1", "--watch", "0.1"]
    words += ["--listen", f"127.0.0.1:{free_port()}"]
    numbers = iter(range(1_000_000))
    took: dict[bool, list[float]] = {True: [], False: []}
    sent: dict[bool, int] = {True: 0, False: 0}
    with (
        load(planting, url, ("a",)),
        started(*words, cwd=tmp_path, tmp=tmp_path) as audit,
    ):
        idle = reads(driver)
        wait_until(lambda: reads(driver) > idle + JOBS, 60.0)

        def by_turns() -> None:
            for turn in range(2 * TURNS):
                is_audited = turn % 2 == 0
                audit.send_signal(signal.SIGCONT if is_audited else signal.SIGSTOP)
                before = reads(driver)
                took[is_audited] += latencies_ms(planting, numbers)
                sent[is_audited] += reads(driver) - before

        benchmark.pedantic(by_turns, rounds=1, iterations=1)
    assert sent[True] > sent[False]
    centiles = {is_audited: quantiles(values, n=100) for is_audited, values in took.items()}
    benchmark.extra_info.update(
        audit_commands_per_s=round((sent[True] - sent[False]) / (TURNS * TURN_S)),
        samples=min(map(len, took.values())),
        p50_ms=round(centiles[False][49], 2),
        p50_audited_ms=round(centiles[True][49], 2),
        p99_ms=round(centiles[False][98], 2),
        p99_audited_ms=round(centiles[True][98], 2),
        added_p99_ms=round(centiles[True][98] - centiles[False][98], 2),
    )
