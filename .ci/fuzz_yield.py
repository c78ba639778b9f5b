"""Print the table of docs/figures.md: planted flaws that fuzzing finds in 1,000 cases, by what decides on its examples.

Each seed hunts a few flawed queues for some cases each, the same queues with every steering. Takes an hour:

    python .ci/fuzz_yield.py 1 21 > lines      the hunts of the seeds 1 to 20, a line each; parts may run side by side
    python .ci/fuzz_yield.py < lines           the table
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from random import Random
from statistics import fmean

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.flaws.flaw import Flaw
from midpipe.scenarios.flaws.registry import FLAWS
from midpipe.scenarios.fuzz.space import Steering
from midpipe.scenarios.fuzz.task import FuzzTask
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.spec import SubjectSpec

FLAWS_PER_SEED = 1
CASES = 120
"""The most cases that one hunt has."""
RESAMPLES = 2_000
CANDIDATES = tuple(
    flaw for flaw in FLAWS if not flaw.part and not flaw.shown_by and flaw.suite != "fleet"
)


@dataclass(frozen=True, slots=True)
class Hunt:
    """What one hunt came to: the flaw's invariants that were violated, and the cases until the last of them."""

    steering: Steering
    seed: int
    flaw: str
    found: int
    cases: int


def hunt(worker: Worker, flaw: Flaw, steering: Steering, seed: int) -> Hunt:
    """Fuzz a flawed queue until each of its invariants is violated, or for CASES."""
    wanted = set(flaw.caught_by)
    task = FuzzTask(
        SubjectSpec(flaw.subject),
        # Batches count on from a seed.
        seed=seed * 10_000,
        latency_bound_ms=5_000.0,
        deadline_s=math.inf,
        invariants=flaw.caught_by,
        steering=steering,
    )
    cases = 0
    messages = worker.do(task)
    for message in messages:
        if isinstance(message, CaseEnded):
            cases += 1
            wanted -= {violation.invariant for violation in message.violations}
            if not wanted or cases == CASES:
                break
    return Hunt(steering, seed, flaw.name, len(flaw.caught_by) - len(wanted), cases)


def per_thousand(hunts: list[Hunt]) -> float:
    return 1_000 * sum(h.found for h in hunts) / sum(h.cases for h in hunts)


def interval(by_seed: list[list[Hunt]]) -> tuple[float, float]:
    """Return the 95 % interval of the figure: the bootstrap over seeds."""
    random = Random(1)
    figures = sorted(
        per_thousand([h for hunts in random.choices(by_seed, k=len(by_seed)) for h in hunts])
        for _ in range(RESAMPLES)
    )
    return figures[RESAMPLES // 40], figures[-RESAMPLES // 40]


def table(hunts: list[Hunt]) -> str:
    rows = []
    for steering in Steering:
        own = [h for h in hunts if h.steering is steering]
        seeds = sorted({h.seed for h in own})
        by_seed = [[h for h in own if h.seed == seed] for seed in seeds]
        low, high = interval(by_seed)
        missed = fmean(sum(h.cases == CASES for h in hunts) for hunts in by_seed)
        rows.append(
            f"| {steering} | {len(seeds)} | {sum(h.found for h in own)} | {sum(h.cases for h in own):,} | "
            f"{per_thousand(own):.1f} | {low:.1f} to {high:.1f} | {missed:.1f} |"
        )
    head = "| steering | seeds | found | cases | found per 1,000 cases | 95 % interval | missed, per seed |"
    return "\n".join([head, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |", *rows])


def main(arguments: list[str]) -> None:
    if not arguments:
        words = (line.split() for line in sys.stdin if line.strip())
        hunts = [Hunt(Steering(a), int(b), c, int(d), int(e)) for a, b, c, d, e in words]
        sys.stdout.write(table(hunts))
        return
    for seed in range(*map(int, arguments)):
        for flaw in Random(seed).sample(CANDIDATES, FLAWS_PER_SEED):
            worker = Worker(ServerSpec())
            try:
                for steering in Steering:
                    one = hunt(worker, flaw, steering, seed)
                    words = (one.steering, one.seed, one.flaw, one.found, one.cases)
                    sys.stdout.write(" ".join(map(str, words)) + "\n")
                    sys.stdout.flush()
            finally:
                worker.close()


if __name__ == "__main__":
    main(sys.argv[1:])
