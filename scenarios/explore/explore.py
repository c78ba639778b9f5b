"""Exploration: case after case of one program, as a scheduler plans them, each reported as it ends.

Cases whose fault makes the client wait run with a short time-out, all others with a long one, so that a busy
machine can't cause a time-out that nobody planned. A case that turns out invalid is run again, with more
patience, before it is called invalid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from midpipe.faultinject.decide.replay import Replay
from midpipe.faultinject.decide.schedule import Schedule, fault_label, replay_string
from midpipe.faultinject.decide.scheduler import Scheduler
from midpipe.faultinject.faults import (
    CATALOGUE,
    Pace,
    Placeable,
    changes_process,
    is_for_any_server,
    needs_persistence,
    needs_replica,
    pace_of,
    placeable,
)
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import FaultRef, RunEnd, WireEvent
from midpipe.scenarios.case.requirements import rejected_call_in
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.run import run_case
from midpipe.scenarios.case.side_effects import SHORT_LEASE_S
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.record import CaseRecord, first_difference
from midpipe.scenarios.programs.program import Program

PATIENT_MS = 3_000
IMPATIENT_MS = 8
LESS_IMPATIENT_MS = 60
"""Of a client that must wait for its turn among several, before the fault that it has to wait for."""
DIVERGED = "the subject did something else than in the run before: "
_TRIES = 5


def is_slow(fault: FaultRef) -> bool:
    """Whether the client can only run into its own time-out."""
    return CATALOGUE[fault.name].effects(2, fault.parameter).wire.waits


def selected(
    server_is_ours: bool,
    names: tuple[str, ...] = (),
    commands: tuple[str, ...] = (),
    pace: Pace | None = None,
    persistence: Persistence | None = None,
) -> Placeable:
    """Return what says which faults are placed at an event.

    Args:
        server_is_ours: faults that change the server may be placed.
        names: of the faults; empty takes all.
        commands: names of the commands to break; empty takes all.
        pace: only those whose cases take so long; None takes all.
        persistence: of the server; None if none was chosen, and it is not to be killed.
    """

    def faults_at(event: WireEvent) -> tuple[FaultRef, ...]:
        if commands and event.name not in commands:
            return ()
        return tuple(
            fault
            for fault in placeable(event)
            if (server_is_ours or is_for_any_server(fault))
            and (not names or fault.name in names)
            and may_happen_to(persistence, fault)
            and (pace is None or pace_of(fault) is pace)
        )

    return faults_at


def may_happen_to(persistence: Persistence | None, fault: FaultRef) -> bool:
    """Whether a server that keeps its data so (None: that keeps nothing) is one for the fault."""
    if needs_replica(fault):
        return persistence is not None and persistence.is_replicated
    if needs_persistence(fault):
        return persistence is not None and not persistence.is_replicated
    return True


class Decider(Scheduler, Protocol):
    """A scheduler that can say which schedule it is at, and before the run which faults may happen in it."""

    @property
    def current(self) -> Schedule: ...

    @property
    def planned_faults(self) -> tuple[tuple[str, FaultRef], ...]: ...

    @property
    def diverged(self) -> str:
        """Where the run parted from the one that it was to repeat; empty if it did not."""


class Planner(Decider, Protocol):
    """A scheduler that plans run after run."""

    def restart(self) -> None:
        """The run that began last is made again."""


def run_schedule(
    rig: Rig, program: Program, decider: Callable[[], Decider], latency_bound_ms: float
) -> CaseRecord:
    """Run the case that a scheduler decides, again if it was invalid, and return the last record.

    Args:
        decider: who decides; asked for before each try.
    """
    patience = 1
    for _ in range(_TRIES):
        scheduler = decider()
        with_leases = any(changes_process(fault) for _, fault in scheduler.planned_faults)
        time_outs = time_outs_for(program, scheduler.planned_faults)
        record = run_case(
            rig,
            program,
            scheduler,
            time_outs_ms={client_id: ms * patience for client_id, ms in time_outs.items()},
            latency_bound_ms=latency_bound_ms,
            lease_s=SHORT_LEASE_S * patience if with_leases else None,
        )
        faults_planned = len(scheduler.current.faults)
        if record.is_valid and record.faults != faults_planned:
            invalid_reason = f"{record.faults} of {faults_planned} planned faults fired"
            record = replace(record, invalid_reason=invalid_reason)
        if record.is_valid and scheduler.diverged:
            record = replace(record, invalid_reason=f"{DIVERGED}{scheduler.diverged}")
        if record.is_valid:
            break
        patience *= 3
    return record


def time_outs_for(program: Program, faults: Sequence[tuple[str, FaultRef]]) -> dict[str, int]:
    """Return each client's socket time-out for a run with these faults, in ms.

    Args:
        faults: each after the client that it happens to; only that one has to wait for its time-out.
    """
    waiting = {client for client, fault in faults if is_slow(fault)}
    impatient_ms = IMPATIENT_MS if len(program.clients) == 1 else LESS_IMPATIENT_MS
    return {
        client_id: impatient_ms if client_id in waiting else PATIENT_MS
        for client_id in program.clients
    }


def warm_up(
    rig: Rig, program: Program, latency_bound_ms: float, *schedules: Schedule
) -> tuple[CaseRecord, ...]:
    """Run the schedules named, or the program without faults, so that the server knows its scripts.

    A server knows its scripts from the second call on, so this is what the field looks like, and no case differs
    from its replay because it ran first. The fault ``script-flush`` takes the scripts away.
    """
    rig.hosts.keep_only(program.runners)
    return tuple(
        run_schedule(rig, program, partial(Replay, schedule), latency_bound_ms)
        for schedule in schedules or (Schedule(),)
    )


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a program without faults has told of a subject.

    Args:
        nondeterministic: where two runs of it differ; empty if they are alike, as they should be.
        misfit: a call that the subject has, and does not take as it is made; empty if there is none.
    """

    nondeterministic: str
    misfit: str


def dry_run(rig: Rig, program: Program, latency_bound_ms: float) -> Rehearsed:
    """Run the program without faults, and see whether the subject is one for it."""
    _, one, other = warm_up(rig, program, latency_bound_ms, *[Schedule()] * 3)
    return Rehearsed(first_difference(one.shape(), other.shape()), rejected_call_in(other.history))


def explore(
    rig: Rig,
    program: Program,
    planner: Planner,
    *,
    latency_bound_ms: float = DEFAULT_LATENCY_BOUND_MS,
) -> Iterator[CaseEnded]:
    """Run the planned cases one by one; stop iterating to stop exploring."""
    warm_up(rig, program, latency_bound_ms)

    def again() -> Planner:
        planner.restart()
        return planner

    while planner.begin():
        record = run_schedule(rig, program, again, latency_bound_ms)
        schedule = planner.current
        planner.end(run_end_of(record))
        if any(
            step.fault and CATALOGUE[step.fault.name].forgets_scripts for step in schedule.faults
        ):
            warm_up(rig, program, latency_bound_ms)
        yield ended_from(record, schedule)


def run_end_of(record: CaseRecord) -> RunEnd:
    """Return what a scheduler is told of a run."""
    violated_invariants = tuple(violation.invariant for violation in record.violations)
    return RunEnd(
        record.steps, record.is_valid, record.invalid_reason, violated_invariants, record.observed
    )


def ended_from(record: CaseRecord, schedule: Schedule) -> CaseEnded:
    """Return what is reported of a case."""
    timing = record.timing
    return CaseEnded(
        program=record.program,
        replay=replay_string(record.program, schedule),
        fault=fault_label(schedule),
        faults=len(schedule.faults),
        valid=record.is_valid,
        invalid_reason=record.invalid_reason,
        violations=record.violations if record.is_valid else (),
        observations=record.observations,
        crashed=record.crashed,
        seconds=(timing.reset_s, timing.connect_s, timing.operate_s, timing.judge_s),
    )
