"""Which programs the sweep and the orders explore, in which order, and by which tasks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.sweep import SweepFrontier
from midpipe.faultinject.decide.walk import RUNS_OF_A_BLOCK
from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.exploration import (
    Exploration,
    ProgramProgress,
    Resume,
    applies,
)
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.parts.program_order import by_versions, simplest_first
from midpipe.scenarios.gate.resume import Checkpoint
from midpipe.scenarios.programs.fleets import needs_other_subject
from midpipe.scenarios.programs.registry import programs_of

SWEEPS_LEAST_SHARE = 0.25
"""What a swept program may take of the time that is left, before the next one has its turn."""


def sweep_of(options: Options, results: Results) -> Exploration:
    """Return the part that places every fault at every command of every program of one client.

    A task whose program does not apply ends at once. Those come first, so that they take no slice from the others. The
    simplest program samples every kind of fault, if the time may be up before all of them are placed.
    """
    programs = programs_of("sweep", options.programs, options.judged_by.files)
    applying = {name: each for name, each in programs.items() if applies(name, options, results)}
    not_applying = (name for name in programs if name not in applying)
    calls = {name: sum(map(len, each.clients.values())) for name, each in programs.items()}
    weights = {name: number ** max(1, options.max_faults) for name, number in calls.items()}
    shares = options.shard.divided(weights, _workers_of_a_program(options, len(applying)))
    ordered = simplest_first(applying)
    sampling = ordered[:1] if options.time_budget_s is not None else ()
    planned = tuple(
        ProgramProgress(
            name,
            partial(_sweep_task, options, name, share, samples=name in sampling),
            is_first=not share[0],
        )
        for name in (*not_applying, *ordered)
        for program, share in shares
        if program == name
    )
    return Exploration("sweep", options, results, planned, least_share=SWEEPS_LEAST_SHARE)


def orders_of(
    suite: str, options: Options, results: Results, resumed: Checkpoint | None = None
) -> Exploration:
    """Return the part that runs every order of each program of several clients, or of a mixed fleet.

    Every order of one program belongs to one shard, because which orders there are shows only as they are run. Random
    orders are divided like a sweep.

    Args:
        suite: ``interleave`` or ``fleet``.
        resumed: the checkpoint of an earlier run to resume.
    """
    programs = {
        name: program
        for name, program in programs_of(suite, options.programs, options.judged_by.files).items()
        if suite != "fleet" or needs_other_subject(program) == (options.subject.beside is not None)
    }
    # A long program started last keeps one worker busy while the others are idle. With fail-fast, and within a time
    # budget, the shortest come first: they show most bugs of two clients after far fewer cases.
    longest_first = options.fail_fast is None and options.time_budget_s is None
    finished = resumed.orders.finished if resumed and resumed.orders else ()
    names = [
        name for name in by_versions(programs, longest_first=longest_first) if name not in finished
    ]
    planned = tuple(
        ProgramProgress(
            name, partial(_orders_task, options, suite, name, share), is_first=not share[0]
        )
        for name, share in _shares_of_orders(options, names)
    )
    return Exploration(suite, options, results, planned, resumed)


def _shares_of_orders(
    options: Options, programs: Sequence[str]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield what this shard runs of each program, as (index, count)."""
    if options.sampling is None:
        yield from ((name, (0, 1)) for name in options.shard.dealt(programs))
        return
    shares = options.shard.divided(
        dict.fromkeys(programs, 1), _workers_of_a_program(options, len(programs))
    )
    blocks = math.ceil(options.sampling.runs / RUNS_OF_A_BLOCK)
    for name in programs:
        yield from (share for share in shares if share[0] == name and share[1][0] < blocks)


def _workers_of_a_program(options: Options, programs: int) -> int:
    """Return how many workers share each program.

    With a budget, programs take turns, so that all workers are busy to the end. Without one, the last program would be
    run by one worker.
    """
    takes_turns = options.time_budget_s is not None and programs >= 2 * options.jobs
    return 1 if takes_turns else max(1, options.jobs)


def _sweep_task(
    options: Options,
    program: str,
    shard: tuple[int, int],
    resume: Resume,
    *,
    samples: bool,
) -> SweepTask:
    frontier = resume.frontier
    assert frontier is None or isinstance(frontier, SweepFrontier)
    return SweepTask(
        subject=options.subject,
        program=program,
        shard=shard,
        max_faults=options.max_faults,
        latency_bound_ms=options.latency_bound_ms,
        deadline_s=resume.deadline_s,
        until_round=resume.until_round,
        frontier=frontier,
        aim=options.aim,
        samples=samples,
    )


def _orders_task(
    options: Options, suite: str, program: str, share: tuple[int, int], resume: Resume
) -> InterleaveTask:
    sampling = options.sampling and replace(options.sampling, share=share)
    frontier = resume.frontier
    assert frontier is None or isinstance(frontier, Frontier)
    is_fleet = suite == "fleet"
    return InterleaveTask(
        subject=options.subject,
        program=program,
        max_preemptions=options.max_preemptions,
        max_faults=options.max_fleet_faults if is_fleet else options.max_interleaved_faults,
        prune=options.prune,
        latency_bound_ms=options.latency_bound_ms,
        deadline_s=resume.deadline_s,
        sampling=sampling,
        until_round=resume.until_round,
        frontier=frontier,
        max_orders=options.max_orders,
        orders_run=resume.cases,
        aim=options.aim,
    )
