"""How many cases a second the sweep runs, and where a case's time goes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faultinject.servers.opening import ServerSpec
from scenarios.engine.explore import CaseEnded
from scenarios.engine.pool import Pool
from scenarios.engine.tasks import Message, SweepTask
from scenarios.subjects.spec import SubjectSpec

ROOT = Path(__file__).resolve().parents[2]
SHARDS = 8


@pytest.fixture(scope="module", params=[1, 2], ids=["one-job", "two-jobs"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    started = Pool(ServerSpec(), request.param)
    yield started
    started.close()


def sweep(pool: Pool, max_faults: int) -> list[CaseEnded]:
    tasks = [
        SweepTask(SubjectSpec(), "enqueue", (shard, SHARDS), max_faults, 5_000.0)
        for shard in range(SHARDS)
    ]
    messages: list[Message] = [message for _, message in pool.run(tasks)]
    return [message for message in messages if isinstance(message, CaseEnded)]


def test_cases_a_second_of_enqueue_with_up_to_two_faults(benchmark: Any, pool: Pool) -> None:
    sweep(pool, 0)
    cases = benchmark.pedantic(sweep, (pool, 2), rounds=3, iterations=1)
    assert all(case.valid and not case.violations for case in cases)
    names = ("reset_ms", "connect_ms", "operate_ms", "judge_ms")
    split = [
        sum(times) / len(cases) * 1000
        for times in zip(*(case.seconds for case in cases), strict=True)
    ]
    benchmark.extra_info.update(
        cases=len(cases),
        cases_per_second=round(len(cases) / benchmark.stats["min"], 1),
        **{name: round(value, 3) for name, value in zip(names, split, strict=True)},
    )


def resident_mib(root_pid: int) -> float:
    """Return the memory of a process and its descendants, servers left out, in MiB."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,rss=,args="],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    family, total_kib = {root_pid}, 0
    for pid, parent, rss, command in sorted(rows, key=lambda row: int(row[0])):
        if int(parent) in family or int(pid) == root_pid:
            family.add(int(pid))
            total_kib += 0 if "valkey-server" in command else int(rss)
    return total_kib / 1024


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
