"""How many cases a second the sweep runs, and where a case's time goes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from midpipe.faultinject.faults import Pace, pace_of
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.faultinject.vocabulary import FaultRef
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.gate.pool import Pool
from midpipe.scenarios.model.messages import CaseEnded, Message
from midpipe.scenarios.model.spec import SubjectSpec

ROOT = Path(__file__).resolve().parents[2]
SHARDS = 8


@pytest.fixture(scope="module", params=[1, 2], ids=["one-job", "two-jobs"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    started = Pool(ServerSpec(), request.param)
    yield started
    started.close()


def sweep(pool: Pool, max_faults: int) -> list[CaseEnded]:
    tasks = [
        SweepTask(
            SubjectSpec(),
            "enqueue",
            shard=(shard, SHARDS),
            max_faults=max_faults,
            latency_bound_ms=5_000.0,
        )
        for shard in range(SHARDS)
    ]
    messages: list[Message] = [message for _, message in pool.run(tasks)]
    return [message for message in messages if isinstance(message, CaseEnded)]


def test_cases_a_second_of_enqueue_with_up_to_two_faults(benchmark: Any, pool: Pool) -> None:
    sweep(pool, 0)
    cases = benchmark.pedantic(sweep, (pool, 2), rounds=3, iterations=1)
    assert all(case.valid and not case.violations for case in cases)
    # What waits for a time-out or starts a process takes as long as it waits; the others show what a case costs.
    quick = [case for case in cases if has_quick_faults_only(case)]
    benchmark.extra_info.update(
        cases=len(cases),
        cases_per_second=round(len(cases) / benchmark.stats["min"], 1),
        quick_cases=len(quick),
        quick_cases_per_second=round(
            pool.jobs * len(quick) / sum(sum(case.seconds) for case in quick), 1
        ),
        all_ms=split_of(cases),
        quick_ms=split_of(quick),
    )


def has_quick_faults_only(case: CaseEnded) -> bool:
    names = [name.partition("=")[0] for name in case.fault.split("+")] if case.faults else []
    return all(pace_of(FaultRef(name)) is Pace.QUICK for name in names)


def split_of(cases: list[CaseEnded]) -> dict[str, float]:
    """Where the time of a case goes, on average, in ms."""
    times = zip(*(case.seconds for case in cases), strict=True)
    return {
        name: round(sum(seconds) / len(cases) * 1000, 3)
        for name, seconds in zip(("reset", "connect", "operate", "judge"), times, strict=True)
    }


def resident_mib(root_pid: int) -> float:
    """Return the memory of a process and its descendants, servers left out, in MiB; what is shared counts once."""
    root = psutil.Process(root_pid)
    return sum(map(own_bytes, (root, *root.children(recursive=True)))) / 1024 / 1024


def own_bytes(process: psutil.Process) -> int:
    """Return a process's share of the memory that it uses, where the system reports it; of a server, nothing."""
    try:
        if "valkey-server" in " ".join(process.cmdline()):
            return 0
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", memory.rss))


def test_the_whole_gate(benchmark: Any, tmp_path: Path) -> None:
    peak_mib = 0.0

    def gate() -> int:
        nonlocal peak_mib
        process = subprocess.Popen(
            [sys.executable, "-m", "midpipe", "gate", "--out", str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        done = threading.Event()

        def watch() -> None:
            nonlocal peak_mib
            while not done.wait(0.2):
                with suppress(psutil.NoSuchProcess):
                    peak_mib = max(peak_mib, resident_mib(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        done.set()
        watcher.join()
        return code

    begun = time.monotonic()
    assert benchmark.pedantic(gate, rounds=1, iterations=1) == 0
    benchmark.extra_info.update(
        seconds=round(time.monotonic() - begun, 1),
        peak_mib=round(peak_mib, 1),
    )
