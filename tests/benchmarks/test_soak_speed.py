"""The soak's speed: jobs per second with and without faults, and how the checker's cost grows with the history.

The checker's figures are of a synthetic history with the share of faults that heavy chaos has; it is checked segment by
segment in a process of its own, whose peak size is the memory figure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from math import log
from pathlib import Path
from typing import Any

import pytest

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.soak.history import SegmentFiles
from midpipe.scenarios.soak.plan import CHAOS, SoakPlan
from midpipe.scenarios.soak.soak import Soak
from midpipe.scenarios.subjects.load import (
    BEGUN,
    COMPLETED,
    ENQUEUED,
    HANDED_OUT,
    NO,
    RAISED,
    RECORD,
    YES,
)

JOBS = 4_000
SEGMENT_JOBS = 20_000
PROCESSES = 8
CHECKS = """
import json, resource, sys
from pathlib import Path
from midpipe.scenarios.soak.checker import Tally, check
from midpipe.scenarios.soak.history import SegmentFiles
folder, segments, names = Path(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3].split(","))
tally = Tally()
for segment in range(segments):
    files = SegmentFiles(folder / f"segment-{segment:04}", names)
    tally += check(files.records(), completes=True, lease=200_000).tally
sys.stdout.write(json.dumps([tally.delivered, tally.redelivered, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""
NAMES = tuple(f"{client_id}{number}" for client_id in "PW" for number in range(1, PROCESSES + 1))


def load_s(chaos: str, folder: Path) -> float:
    """Seconds from the first job to the last acknowledged one."""
    plan = SoakPlan(JOBS, clients=4, workers=4, chaos=CHAOS[chaos], seed=1)
    soak = Soak(ServerSpec(), SubjectSpec(), plan, folder, 5.0)
    try:
        for _ in soak.run():
            pass
        return soak.result().segments[0].load_s
    finally:
        soak.close()


def test_jobs_a_second_with_and_without_faults(benchmark: Any, tmp_path: Path) -> None:
    def all_three() -> dict[str, float]:
        return {name: load_s(name, tmp_path / name) for name in ("none", "light", "heavy")}

    took = benchmark.pedantic(all_three, rounds=1, iterations=1)
    benchmark.extra_info.update(
        {f"{name}_jobs_per_second": round(JOBS / seconds) for name, seconds in took.items()},
        heavy_over_none=round(took["heavy"] / took["none"], 2),
    )


def synthesise(folder: Path, segment: int) -> None:
    """Write a segment's history: of each thousand jobs five are tried twice and two are redelivered."""
    folder.mkdir(parents=True)
    written = {name: bytearray() for name in NAMES}

    def add(kind: int, outcome: int, process: int, job: int, begun: int) -> None:
        written[NAMES[process]] += RECORD.pack(
            kind, outcome, process, job, begun, begun + 57 + job % 311
        )

    for job in range(segment * SEGMENT_JOBS, (segment + 1) * SEGMENT_JOBS):
        producer, worker, at = (
            job % PROCESSES,
            PROCESSES + job % PROCESSES,
            100 * (job % SEGMENT_JOBS),
        )
        for outcome in (RAISED, YES) if job % 200 == 0 else (YES,):
            add(BEGUN, YES, producer, job, at)
            add(ENQUEUED, outcome, producer, job, at)
        if job % 500 == 1:
            add(HANDED_OUT, YES, PROCESSES + (job + 1) % PROCESSES, job, at + 500)
            add(COMPLETED, NO, PROCESSES + (job + 1) % PROCESSES, job, at + 250_000)
            at += 220_000
        add(HANDED_OUT, YES, worker, job, at + 900)
        add(COMPLETED, YES, worker, job, at + 1_500)
    for name, data in written.items():
        SegmentFiles(folder, NAMES).path(name).write_bytes(data)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    for segment in range(1_000_000 // SEGMENT_JOBS):
        synthesise(folder / f"segment-{segment:04}", segment)
    return folder


def checked(history: Path, jobs: int) -> tuple[float, float]:
    """Check the history's first jobs; return the seconds and the largest size of the process in MB."""
    words = [sys.executable, "-c", CHECKS, str(history), str(jobs // SEGMENT_JOBS), ",".join(NAMES)]
    begun_s = time.perf_counter()
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - begun_s
    delivered, again, kilobytes = json.loads(run.stdout)
    assert (delivered, again) == (jobs, jobs // 500)
    return seconds, kilobytes / 1024


def test_time_and_memory_of_the_checker_as_the_history_grows(benchmark: Any, history: Path) -> None:
    few, many = 100_000, 1_000_000

    def both() -> tuple[tuple[float, float], tuple[float, float]]:
        return checked(history, few), checked(history, many)

    (few_s, few_mb), (many_s, many_mb) = benchmark.pedantic(both, rounds=1, iterations=1)
    benchmark.extra_info.update(
        few_s=round(few_s, 2),
        many_s=round(many_s, 2),
        few_mb=round(few_mb, 1),
        many_mb=round(many_mb, 1),
        growth=round(many_s / few_s, 2),
        growth_of_n_log_n=round((many * log(many)) / (few * log(few)), 2),
        growth_of_memory=round(many_mb / few_mb, 2),
    )
