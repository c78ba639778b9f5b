"""Print the table of docs/figures.md: a campaign of a million cases on up to 1,000 workers, simulated.

Nothing here was run on more than two cores. The simulation draws how long shards take and when machines are taken away;
what it is fed with was measured, and stands in MEASURED with its source.
"""

from __future__ import annotations

import heapq
import random
import sys
from collections import deque
from dataclasses import dataclass
from statistics import fmean

CASES = 1_000_000
WORKERS = (1, 10, 100, 1_000)
CASES_PER_SHARD = (500, 5_000, 50_000)
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """What the model is fed with, of the reference queue.

    Args:
        case_s: processor time of a case, all processes: the benchmark that prints where a case spends its time.
        shard_s: processor time of a shard before its first case, all processes: ``midpipe sweep --shard 2/400``.
        spread: standard deviation of a shard's time against its mean: the same command, three times on a busy machine.
        task_s: processor time of scheduler and client for a task: a thousand empty tasks on two workers.
        heartbeat_s: the same for a worker's heartbeat, the worker's own part included: 50 idle workers.
        merge_s: processor time of ``midpipe merge`` for a shard: 400 verdicts against 20.
        lost_per_hour: how often a machine is taken away. An assumption: one in twenty an hour, as of spot machines.
    """

    case_s: float = 0.025
    shard_s: float = 1.8
    spread: float = 0.13
    task_s: float = 0.008
    heartbeat_s: float = 0.0058
    merge_s: float = 0.0006
    lost_per_hour: float = 0.05


MEASURED = Measured()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulated campaign took.

    Args:
        seconds: from the first shard to the merged verdict.
        tail_s: of it, the time in which a worker had nothing left to do.
        repeated: share of the processor time that was spent on shards whose machine was taken away.
        overhead: share of it that was not spent on cases.
        scheduler: share of a core that the scheduler needs, tasks and heartbeats.
        core_hours: of the workers, idle ones included.
    """

    seconds: float
    tail_s: float
    repeated: float
    overhead: float
    scheduler: float
    core_hours: float


def heartbeat_every_s(workers: int) -> float:
    """Return how often a worker of Dask reports: less often in a large cluster (``distributed.scheduler``)."""
    steps = ((10, 0.5), (49, 1.0), (199, 2.0))
    return next((every for most, every in steps if workers <= most), workers / 200 + 1)


def simulate(workers: int, cases_per_shard: int, rng: random.Random, m: Measured) -> Outcome:
    """Run a campaign: each worker has one core, takes a shard at a time, and is replaced if it is taken away.

    The scheduler hands out one task after the other, so a worker may wait for it.
    """
    shards = deque([cases_per_shard] * (CASES // cases_per_shard))
    count = len(shards)
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    scheduler_free_s, busy_s, repeated_s, tasks = 0.0, 0.0, 0.0, 0
    last_begun_s = ended_s = 0.0
    while shards:
        now_s, worker = heapq.heappop(free)
        begun_s = scheduler_free_s = max(now_s, scheduler_free_s) + m.task_s
        tasks += 1
        cases = shards.popleft()
        takes_s = max(m.shard_s, (m.shard_s + cases * m.case_s) * rng.gauss(1.0, m.spread))
        lost_after_s = rng.expovariate(m.lost_per_hour / 3600)
        if lost_after_s < takes_s:
            shards.append(cases)
            takes_s = lost_after_s
            repeated_s += takes_s
        busy_s += takes_s
        last_begun_s, ended_s = begun_s, max(ended_s, begun_s + takes_s)
        heapq.heappush(free, (begun_s + takes_s, worker))
    seconds = ended_s + count * m.merge_s
    beats = workers / heartbeat_every_s(workers)
    return Outcome(
        seconds=seconds,
        tail_s=ended_s - max(last_begun_s, min(at for at, _ in free)),
        repeated=repeated_s / busy_s,
        overhead=1 - CASES * m.case_s / busy_s,
        scheduler=tasks * m.task_s / ended_s + beats * m.heartbeat_s,
        core_hours=workers * ended_s / 3600,
    )


def mean_of(workers: int, cases_per_shard: int) -> Outcome:
    """Return the mean of several campaigns."""
    runs = [
        simulate(workers, cases_per_shard, random.Random(seed), MEASURED) for seed in range(ROUNDS)
    ]
    return Outcome(
        *(fmean(getattr(run, name) for run in runs) for name in Outcome.__dataclass_fields__)
    )


def table() -> str:
    """Return the table as Markdown."""
    rows = [
        "| workers | cases a shard | time | cases/s | idle at the end | repeated | not cases | scheduler | core h |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for workers in WORKERS:
        for size in CASES_PER_SHARD:
            if CASES // size < workers:
                continue
            o = mean_of(workers, size)
            rows.append(
                f"| {workers:,} | {size:,} | {o.seconds / 60:.1f} min | {CASES / o.seconds:,.0f} | {o.tail_s:.0f} s "
                f"| {o.repeated:.1%} | {o.overhead:.0%} | {o.scheduler:.0%} | {o.core_hours:.1f} |"
            )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
