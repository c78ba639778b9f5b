"""Several clients: orders a second, what the reduction saves, how soon a flaw is found, and how the checker grows.

The figures stand in ``extra_info`` of each benchmark. What a search is compared with runs in the same test, on the same
server: a seeded random walk, and Hypothesis drawing orders. Runs are counted beside the seconds, since a busy machine
changes only the latter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from midpipe.faultinject.decide.drawn import Drawn
from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.walk import Walk
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.orders import Orders
from midpipe.scenarios.explore.running import run_schedule, warm_up
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.flaws.flaw import Flaw
from midpipe.scenarios.flaws.registry import FLAWS
from midpipe.scenarios.gate.pool import Pool
from midpipe.scenarios.invariants.linearizability import Answer, Put, Take, check_queue
from midpipe.scenarios.model.messages import CaseEnded, Sampling
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import PROGRAMS, SUITES

AS_SHIPPED = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"
NEEDS_TWO = [flaw for flaw in FLAWS if flaw.suite in ("interleave", "fleet")]
LARGEST = (
    ("midpipe.scenarios.flaws.as_planned:SimpleQueue", "cleanup-vs-read"),
    ("midpipe.scenarios.flaws.pairs:PeeksThenRemoves", "finish-vs-finish"),
    ("midpipe.scenarios.flaws.pairs:PeeksThenRemoves", "finish-vs-reclaim"),
    ("midpipe.scenarios.flaws.as_reviewed:SimpleQueue", "request-id-in-two-workspaces"),
    ("midpipe.scenarios.flaws.as_reviewed:SimpleQueue", "three-clients-one-request"),
)
"""The programs with the most orders, each with the queue of those shipped here that sends the most commands in it."""
MOST_WITHOUT_PRUNING = 600
MOST_RUNS = 100


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    started = Worker(ServerSpec())
    yield started
    started.close()


@pytest.mark.parametrize("jobs", [1, 2], ids=["one-job", "two-jobs"])
def test_orders_a_second_of_one_request_sent_twice(benchmark: Any, jobs: int) -> None:
    pool = Pool(ServerSpec(), jobs)

    def orders(runs: int) -> list[CaseEnded]:
        tasks = [
            InterleaveTask(
                SubjectSpec(AS_SHIPPED),
                "same-request-twice",
                max_preemptions=2,
                max_faults=0,
                prune=True,
                latency_bound_ms=5_000.0,
                sampling=Sampling(runs, number),
            )
            for number in range(jobs)
        ]
        return [m for _, m in pool.run(tasks) if isinstance(m, CaseEnded)]

    try:
        orders(1)
        cases = benchmark.pedantic(orders, (200,), rounds=3, iterations=1)
    finally:
        pool.close()
    assert all(case.valid for case in cases)
    names = ("reset_ms", "connect_ms", "operate_ms", "judge_ms")
    split = [
        sum(times) / len(cases) * 1000 for times in zip(*(c.seconds for c in cases), strict=True)
    ]
    benchmark.extra_info.update(
        orders_per_second=round(len(cases) / benchmark.stats["min"], 1),
        **{name: round(value, 3) for name, value in zip(names, split, strict=True)},
    )


@pytest.mark.parametrize(("subject", "program"), LARGEST, ids=[program for _, program in LARGEST])
def test_how_many_times_fewer_orders_are_run(
    benchmark: Any, worker: Worker, subject: str, program: str
) -> None:
    """Without a bound of preemptions. Counted, not timed; the whole is counted up to a limit, with what is planned.

    What was run before a script was found to touch more than it declares counts; what is then run again counts once.
    """
    rig = worker.rig(SubjectSpec(subject))

    def count(*, prune: bool) -> tuple[int, int]:
        def plan(independence: Independence, frontier: Frontier | None) -> Interleave:
            return Interleave(None, prune=prune, independence=independence, frontier=frontier)

        orders = Orders(rig, PROGRAMS[program], plan, 5_000.0)
        runs = 0
        for _ in orders.cases():
            runs += 1
            if runs == MOST_WITHOUT_PRUNING:
                break
        return runs, sum(row.space for row in orders.planner.ledger.rows())

    pruned, _ = benchmark.pedantic(count, kwargs={"prune": True}, rounds=1, iterations=1)
    runs, whole = count(prune=False)
    is_whole = runs < MOST_WITHOUT_PRUNING
    benchmark.extra_info.update(
        orders_run=pruned,
        orders_in_all=whole,
        counted_to_the_end=is_whole,
        factor=round(whole / pruned, 1),
    )
    assert pruned < whole


@dataclass
class First:
    """When a search met a flaw first: after how many runs, and seconds; or never within its bound."""

    runs: int
    seconds: float
    found: bool


def first_by_search(cases: Iterator[CaseEnded], wanted: set[str]) -> First:
    begun_s = time.perf_counter()
    runs = 0
    for ended in cases:
        runs += 1
        if wanted & {violation.invariant for violation in ended.violations}:
            return First(runs, time.perf_counter() - begun_s, True)
        if runs == MOST_RUNS:
            break
    return First(runs, time.perf_counter() - begun_s, False)


def every_order(rig: Rig, programs: list[Program]) -> Iterator[CaseEnded]:
    def plan(independence: Independence, frontier: Frontier | None) -> Interleave:
        return Interleave(independence=independence, frontier=frontier)

    for program in programs:
        yield from Orders(rig, program, plan, 5_000.0).cases()


def random_walk(rig: Rig, programs: list[Program]) -> Iterator[CaseEnded]:
    """One random order after the other, each of a random program."""
    rng = Random(1)
    walks = [
        explore(rig, program, Walk(Random, runs=range(1, MOST_RUNS + 1), seed=1))
        for program in programs
    ]
    while True:
        yield next(rng.choice(walks))


def drawn_by_hypothesis(rig: Rig, programs: list[Program], wanted: set[str]) -> First:
    begun_s = time.perf_counter()
    first = First(0, 0.0, False)
    known: set[str] = set()

    @seed(1)
    @settings(
        max_examples=MOST_RUNS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(programs), st.lists(st.integers(0, 2), max_size=12))
    def example(program: Program, picks: list[int]) -> None:
        if first.found:
            return
        if program.name not in known:
            warm_up(rig, program, 5_000.0)
            known.add(program.name)
        first.runs += 1
        record = run_schedule(rig, program, Drawn(picks, (), lambda _: ()), 5_000.0)
        if wanted & {violation.invariant for violation in record.violations}:
            first.found, first.seconds = True, time.perf_counter() - begun_s

    example()
    first.seconds = first.seconds or time.perf_counter() - begun_s
    return first


def test_how_soon_each_flaw_that_takes_two_clients_is_found(benchmark: Any, worker: Worker) -> None:
    def searches(flaw: Flaw) -> tuple[First, First, First]:
        subject = SubjectSpec(flaw.subject)
        rig = worker.rig(subject)
        named = [SUITES[flaw.suite][name] for name in flaw.programs] or [
            *SUITES[flaw.suite].values()
        ]
        programs = [p for p in named if not missing_for(p, subject, rig.traits)]
        wanted = set(flaw.caught_by)
        return (
            first_by_search(every_order(rig, programs), wanted),
            first_by_search(random_walk(rig, programs), wanted),
            drawn_by_hypothesis(rig, programs, wanted),
        )

    def all_of_them() -> dict[str, tuple[First, First, First]]:
        return {flaw.name: searches(flaw) for flaw in NEEDS_TWO}

    firsts = benchmark.pedantic(all_of_them, rounds=1, iterations=1)
    for name, (search, walk, drawn) in firsts.items():
        benchmark.extra_info[name] = {
            which: {"runs": one.runs, "seconds": round(one.seconds, 3), "found": one.found}
            for which, one in (("every order", search), ("walk", walk), ("Hypothesis", drawn))
        }

    def times_sooner(which: int, value: Callable[[First], float]) -> float:
        return round(median(value(three[which]) / value(three[0]) for three in firsts.values()), 2)

    benchmark.extra_info["median times sooner"] = {
        "than a walk, in runs": times_sooner(1, lambda first: first.runs),
        "than a walk, in seconds": times_sooner(1, lambda first: first.seconds),
        "than Hypothesis, in runs": times_sooner(2, lambda first: first.runs),
        "than Hypothesis, in seconds": times_sooner(2, lambda first: first.seconds),
    }
    assert all(search.found for search, _, _ in firsts.values())


@pytest.mark.parametrize("operations", [10_000, 100_000, 1_000_000])
def test_the_queue_checker_on_long_histories(benchmark: Any, operations: int) -> None:
    """Eight clients put and eight take, each operation overlapping its neighbours."""
    rng = Random(operations)
    puts, takes = [], []
    for number in range(operations // 2):
        at = 16.0 * number
        puts.append(Put(f"job-{number}", at, at + rng.uniform(8, 200)))
        takes.append(Take(f"job-{number}", at + 8_000, at + 8_000 + rng.uniform(8, 200)))
    rng.shuffle(takes)
    checked = benchmark.pedantic(check_queue, (puts, takes), rounds=3 if operations < 10**6 else 1)
    assert checked.answer is Answer.HOLDS
    benchmark.extra_info["microseconds per operation"] = round(
        benchmark.stats["min"] / operations * 1e6, 3
    )
