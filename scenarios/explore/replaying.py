"""Replays the case that a replay string names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from midpipe.faultinject.decide.replay import Replay
from midpipe.faultinject.decide.schedule import Schedule, parse_replay_string, replay_string
from midpipe.faultinject.errors import SubjectError, UsageError
from midpipe.faultinject.faults import (
    CATALOGUE,
    is_for_any_server,
    loses_power,
    needs_persistence,
    needs_replica,
)
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.case.confirming import confirmed
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.case.source_trace import SourceTrace
from midpipe.scenarios.explore.fault_selection import forgets_scripts
from midpipe.scenarios.explore.running import run_schedule, warm_up
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.record import Replayed
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import program_named


def replay_case(
    worker: Worker,
    subject: SubjectSpec,
    text: str,
    latency_bound_ms: float,
    persistence: Persistence = Persistence.AOF_ALWAYS,
    *,
    warms_up: bool = True,
    traces_sources: bool = False,
    patience: int = 1,
) -> Replayed:
    """Run the case that a replay string names.

    Args:
        latency_bound_ms: for a subject that declares none.
        persistence: of the server, if the case kills it.
        warms_up: first let the server learn the scripts that the case needs.
        traces_sources: find the line of the subject's code that sends each command.
        patience: how many times longer than usual time-outs and leases last.

    Raises:
        SubjectError: the subject can't run the program.
        UsageError: the string is malformed or names what does not exist, or the server is not midpipe's to change.
    """
    name, schedule = parse_replay_string(text, CATALOGUE)
    return replay_schedule(
        worker,
        subject,
        program_named(name),
        schedule,
        latency_bound_ms,
        persistence=persistence,
        warms_up=warms_up,
        traces_sources=traces_sources,
        patience=patience,
    )


def replay_schedule(
    worker: Worker,
    subject: SubjectSpec,
    program: Program,
    schedule: Schedule,
    latency_bound_ms: float,
    *,
    persistence: Persistence = Persistence.AOF_ALWAYS,
    warms_up: bool = True,
    traces_sources: bool = False,
    patience: int = 1,
) -> Replayed:
    """Run one schedule of a program. Arguments and errors are those of ``replay_case``."""
    return worker.begun_again(
        lambda: _replayed(
            worker,
            subject,
            program,
            schedule,
            latency_bound_ms,
            persistence=persistence,
            warms_up=warms_up,
            traces_sources=traces_sources,
            patience=patience,
        )
    )


def _replayed(
    worker: Worker,
    subject: SubjectSpec,
    program: Program,
    schedule: Schedule,
    latency_bound_ms: float,
    *,
    persistence: Persistence,
    warms_up: bool,
    traces_sources: bool,
    patience: int,
) -> Replayed:
    _check_server_is_ours(worker, schedule)
    needed = _persistence_for(schedule, persistence)
    server = worker.server if needed is None else worker.durable_server(needed)
    is_known = worker.has_rig(subject, server)
    rig = worker.rig(subject, needed)
    missing = missing_for(program, subject, rig.traits)
    if missing:
        raise SubjectError(
            f"{subject.name} has no {', '.join(missing)}, which the program {program.name} needs."
        )
    if warms_up or not is_known:
        # With the schedule between: a fault may need scripts that the program alone does not, or have them forgotten.
        warm_up(rig, program, latency_bound_ms, Schedule(), schedule, Schedule())
    planner = Replay(schedule)
    trace = SourceTrace(planner, rig.hosts)
    rig.hosts.traces_sources = traces_sources
    try:
        decider = trace if traces_sources else planner
        record = run_schedule(rig, program, decider, latency_bound_ms, patience)
    finally:
        rig.hosts.traces_sources = False
    if any(forgets_scripts(fault) for _, fault in schedule.placed):
        warm_up(rig, program, latency_bound_ms)
    return Replayed(record, planner.unplaced, replay_string(program.name, schedule), trace.sources)


def confirmed_replay(
    worker: Worker,
    subject: SubjectSpec,
    program: Program,
    schedule: Schedule,
    latency_bound_ms: float,
    *,
    is_over: Callable[[], bool] = bool,
) -> Replayed:
    """Run one schedule of a program, and confirm what it violates. Errors are those of ``replay_case``.

    Args:
        is_over: asked before the case is run again to confirm a violation.
    """

    def again(patience: int) -> frozenset[str]:
        replayed = replay_schedule(
            worker, subject, program, schedule, latency_bound_ms, warms_up=False, patience=patience
        )
        return frozenset() if replayed.unplaced else replayed.record.violated_invariants

    first = replay_schedule(worker, subject, program, schedule, latency_bound_ms)
    return replace(first, record=confirmed(first.record, again, Counter(), is_over))


def _check_server_is_ours(worker: Worker, schedule: Schedule) -> None:
    for _, fault in schedule.placed:
        if not is_for_any_server(fault) and not worker.server.is_ours:
            raise UsageError(
                f"The fault {fault.name} changes the server, and {worker.server.name} is not midpipe's. "
                "Leave --redis out to replay it on the embedded one."
            )


def _persistence_for(schedule: Schedule, persistence: Persistence) -> Persistence | None:
    """Return the persistence that the server needs in a case of that schedule; None if the server is not killed."""
    faults = [fault for _, fault in schedule.placed]
    if any(map(loses_power, faults)):
        return Persistence.POWER_LOSS
    if any(map(needs_replica, faults)):
        return Persistence.REPLICA
    return persistence if any(map(needs_persistence, faults)) else None
