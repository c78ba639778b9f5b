"""Exploration: runs the cases of one program one by one, as a planner plans them, and reports each as it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from midpipe.faultinject.decide.counting import Counting
from midpipe.faultinject.decide.decider import Planner
from midpipe.faultinject.decide.schedule import Schedule
from midpipe.faultinject.vocabulary import RunEnd
from midpipe.scenarios.case.confirming import confirmed, is_memory_of_process
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.fault_selection import forgets_scripts
from midpipe.scenarios.explore.known_scripts import knows_scripts, scripts_in
from midpipe.scenarios.explore.running import run_schedule, runs_of, warm_up
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.messages import CaseEnded, ended_from
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.programs.program import Program


def explore(
    rig: Rig,
    program: Program,
    planner: Planner,
    *,
    latency_bound_ms: float = DEFAULT_LATENCY_BOUND_MS,
    is_over: Callable[[], bool] = bool,
    first: CaseRecord | None = None,
) -> Iterator[CaseEnded]:
    """Run the planned cases one by one, and confirm what they violate; stop iterating to stop exploring.

    Args:
        is_over: asked before a case is run again to confirm a violation.
        first: the record of the first planned case, if it has been run already.
    """
    scripts = _learnt_scripts(rig, program, latency_bound_ms)
    counting = Counting(planner)
    while counting.begin():
        record = first or run_schedule(rig, program, planner, latency_bound_ms)
        first, schedule = None, planner.current

        def warm_again(placed: Schedule = schedule) -> None:
            # The case itself has mostly had the server learn them again.
            forgets = any(forgets_scripts(fault) for _, fault in placed.placed)
            if forgets and not knows_scripts(rig, scripts):
                warm_up(rig, program, latency_bound_ms)

        warm_again()
        again = runs_of(rig, program, schedule, latency_bound_ms, warm_again)
        record = confirmed(record, again, rig.confirmed_kinds, is_over)
        if is_memory_of_process(record) and rig.begin_new_processes():
            record = run_schedule(rig, program, planner, latency_bound_ms)
            record = confirmed(record, again, rig.confirmed_kinds, is_over)
        counting.end(run_end_of(record))
        yield ended_from(record, schedule)


def _learnt_scripts(rig: Rig, program: Program, latency_bound_ms: float) -> frozenset[str]:
    """Return the scripts that the program's clients call, after a run without faults unless the server has them all."""
    rig.keep_hosts_for(program)
    learnt = rig.scripts.get(program.name)
    if learnt is None or not knows_scripts(rig, learnt):
        learnt = scripts_in(warm_up(rig, program, latency_bound_ms))
        rig.scripts[program.name] = learnt
    return learnt


def run_end_of(record: CaseRecord) -> RunEnd:
    """Return what a scheduler learns from a case."""
    return RunEnd(
        record.steps,
        valid=record.is_valid,
        invalid_reason=record.invalid_reason,
        violated=tuple(violation.invariant for violation in record.violations),
        observed=record.observed,
    )
