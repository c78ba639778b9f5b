"""How many cases a second in which the server is killed and comes back, or its replica takes over. The aim is 15."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.gate.parts.durability import GATE_PROGRAMS
from midpipe.scenarios.gate.pool import Pool
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.spec import SubjectSpec


@pytest.fixture(scope="module", params=[1, 2], ids=["one-job", "two-jobs"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    started = Pool(ServerSpec(), request.param)
    yield started
    started.close()


def swept(pool: Pool, mode: Persistence) -> list[CaseEnded]:
    """Run every case in which something happens to the server, of the gate's programs; each shard warms up first."""
    tasks = [
        SweepTask(
            SubjectSpec(),
            program,
            shard=(0, 1),
            max_faults=1,
            latency_bound_ms=5_000.0,
            persistence=mode,
        )
        for program in GATE_PROGRAMS
    ]
    messages = [message for _, message in pool.run(tasks)]
    return [message for message in messages if isinstance(message, CaseEnded) and message.faults]


@pytest.mark.parametrize("mode", [Persistence.AOF_ALWAYS, Persistence.REPLICA])
def test_cases_a_second_in_which_the_server_dies(
    benchmark: Any, pool: Pool, mode: Persistence
) -> None:
    swept(pool, mode)
    cases = benchmark.pedantic(swept, (pool, mode), rounds=3, iterations=1)
    assert all(case.valid and not case.violations for case in cases)
    benchmark.extra_info.update(
        cases=len(cases),
        cases_per_second=round(len(cases) / benchmark.stats["min"], 1),
        case_ms=round(sum(sum(case.seconds) for case in cases) / len(cases) * 1000, 1),
    )


def test_a_server_that_is_killed_and_started_again(benchmark: Any) -> None:
    """What of a case is the server's own: Valkey's takes 34 ms, of which it sleeps 30."""
    with RunDirectory() as run:
        server = EmbeddedServer(None, run, Persistence.AOF_ALWAYS)
        begun_s = time.monotonic()
        benchmark.pedantic(server.restart, rounds=10, iterations=1)
        benchmark.extra_info.update(restarts_per_second=round(10 / (time.monotonic() - begun_s), 1))
        server.stop()
