"""Runs the case that a planner has planned, with the time-outs that its faults need, again if it turns out invalid.

Only a client that meets a fault it can notice by its time-out alone has a short time-out. Every other client has a long
one, so that a busy machine does not cause a time-out that no fault planned. A case that is invalid all the same is run
again with more patience, before it counts as invalid.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from midpipe.faultinject.decide.decider import Decider
from midpipe.faultinject.decide.determinism import DeterminismCheck
from midpipe.faultinject.decide.replay import Replay
from midpipe.faultinject.decide.schedule import Schedule
from midpipe.faultinject.faults import changes_process
from midpipe.faultinject.vocabulary import Decision, FaultRef, Point
from midpipe.scenarios.case.requirements import raised_by_every_call, rejected_call_in
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.run import run_case
from midpipe.scenarios.case.side_effects import SHORT_LEASE_S
from midpipe.scenarios.explore.fault_selection import forgets_scripts, waits_for_time_out
from midpipe.scenarios.explore.known_scripts import had_to_learn, scripts_in
from midpipe.scenarios.explore.unfired import unfired_reason
from midpipe.scenarios.model.history import names_time_out
from midpipe.scenarios.model.record import (
    MORE_PATIENCE,
    CaseRecord,
    different_labels,
    first_difference,
)
from midpipe.scenarios.programs.program import Program

LONG_TIME_OUT_MS = 3_000
SHORT_TIME_OUT_MS = 8
STEPPED_TIME_OUT_MS = 250
"""Of a client on a stepped clock: no machine is so busy that it ends by itself, and waiting for it takes no time."""
SHORT_TIME_OUT_AMONG_SEVERAL_MS = 60
"""Of a client that may have to wait for its turn before it meets its fault."""
DIVERGED = "the subject did something else than in the run before: "
_TIME_OUTS_WITHIN_BOUND = 8
"""However patient a run is, so many time-outs fit into the latency bound: a client may run into several in one call."""
_DELAY_S, _WAITED_MS = 0.02, 50.0
_MOST_TRIES = 5
_TRIED_FOR_S = 15.0
"""No further try begins after so long: each may wait for a server that does not answer."""


def run_schedule(
    rig: Rig,
    program: Program,
    decider: Decider,
    latency_bound_ms: float,
    patience: int = 1,
    *,
    is_warm_up: bool = False,
) -> CaseRecord:
    """Run the case that the decider is at, again with more patience if it is invalid, and return the last record.

    Args:
        patience: how many times longer than usual time-outs and leases last in the first try, or more if the rig's last
            cases needed more.
        is_warm_up: it is run so that the server learns its scripts, and need not be run again because it did.
    """
    began_s, last_reason = rig.loop.clock(), ""
    patience = max(patience, rig.patience)
    for _ in range(_MOST_TRIES):
        if rig.is_cold:
            rig.is_cold = False
            _run_once(rig, program, Replay(Schedule()), latency_bound_ms, patience)
        decider.restart()
        record = _run_once(rig, program, decider, latency_bound_ms, patience)
        if not is_warm_up and _is_first_with_its_scripts(record, decider):
            # Further runs find the server knowing them, and would differ from this one.
            decider.restart()
            record = _run_once(rig, program, decider, latency_bound_ms, patience)
        if record.is_valid or rig.loop.clock() > began_s + _TRIED_FOR_S:
            break
        raised_again = record.was_aborted and record.invalid_reason == last_reason
        if raised_again and not names_time_out(last_reason):
            # Patience would not help.
            break
        last_reason = record.invalid_reason
        patience *= MORE_PATIENCE
    if record.is_valid:
        # Less than was needed now, so that it sinks again when the machine has become less busy.
        rig.patience = max(1, record.patience // MORE_PATIENCE)
    return record


def _is_first_with_its_scripts(record: CaseRecord, decider: Decider) -> bool:
    """Whether the server had to learn a script in the run, and no fault made it forget that."""
    forgets = any(forgets_scripts(fault) for _, fault in decider.planned_faults)
    return not forgets and had_to_learn(record)


def runs_of(
    rig: Rig,
    program: Program,
    schedule: Schedule,
    latency_bound_ms: float,
    then: Callable[[], object],
) -> Callable[[int], frozenset[str]]:
    """Return the function that runs a schedule again with so much patience, and returns what it violates.

    Args:
        then: called after each run, so that the next one finds what the first one found.
    """

    def again(patience: int) -> frozenset[str]:
        replay = Replay(schedule)
        # What a subject remembers for its whole process, of cases before this one, is no reason to accuse it.
        kept, rig.uses_new_processes = rig.uses_new_processes, True
        try:
            record = run_schedule(rig, program, replay, latency_bound_ms, patience)
        finally:
            rig.uses_new_processes = kept
        then()
        return frozenset() if replay.unplaced else record.violated_invariants

    return again


def _run_once(
    rig: Rig, program: Program, decider: Decider, latency_bound_ms: float, patience: int
) -> CaseRecord:
    """Run the case; it is invalid as well if a planned fault did not fire, or the subject did something else.

    Args:
        patience: how many times longer than usual time-outs and leases last.
    """
    check = DeterminismCheck(decider)
    is_stepped = rig.time.is_stepped
    time_outs_ms = time_outs_for(
        program,
        decider.planned_faults,
        is_stepped=is_stepped,
        patience=patience,
        longest_ms=latency_bound_ms / _TIME_OUTS_WITHIN_BOUND,
    )
    ends_leases = any(changes_process(fault) for _, fault in decider.planned_faults)
    record = run_case(
        rig,
        program,
        check,
        time_outs_ms=time_outs_ms,
        latency_bound_ms=latency_bound_ms,
        lease_s=SHORT_LEASE_S * patience if ends_leases else None,
    )
    record = replace(record, patience=patience)
    unfired = unfired_reason(record, decider.current.faults)
    if record.is_valid and unfired:
        return replace(record, invalid_reason=unfired)
    if record.is_valid and check.diverged:
        return replace(record, invalid_reason=f"{DIVERGED}{check.diverged}")
    return record


def time_outs_for(
    program: Program,
    faults: Sequence[tuple[str, FaultRef]],
    *,
    is_stepped: bool = False,
    patience: int = 1,
    longest_ms: float = math.inf,
) -> dict[str, int]:
    """Return each client's socket time-out for a run with these faults, in ms.

    Args:
        faults: each after the client that it happens to.
        is_stepped: on a stepped clock.
        patience: how many times longer than usual it is.
        longest_ms: of a client that meets a fault which it notices by its time-out alone.
    """
    waiting = {client_id for client_id, fault in faults if waits_for_time_out(fault)}
    is_alone = len(program.clients) == 1
    short_ms = SHORT_TIME_OUT_MS if is_alone else SHORT_TIME_OUT_AMONG_SEVERAL_MS
    if is_stepped:
        short_ms = STEPPED_TIME_OUT_MS
    return {
        client_id: int(max(short_ms, min(short_ms * patience, longest_ms)))
        if client_id in waiting
        else LONG_TIME_OUT_MS * patience
        for client_id in program.clients
    }


def warm_up(
    rig: Rig, program: Program, latency_bound_ms: float, *schedules: Schedule
) -> tuple[CaseRecord, ...]:
    """Run the schedules, or the program without faults if none is given, so that the server knows the scripts.

    In production a server knows its scripts from the second call on; and so no case differs from its replay because it
    ran first. The fault ``script-flush`` has the server forget them.
    """
    rig.keep_hosts_for(program)
    return tuple(
        run_schedule(rig, program, Replay(schedule), latency_bound_ms, is_warm_up=True)
        for schedule in schedules or (Schedule(),)
    )


@dataclass(frozen=True, slots=True)
class DryRun:
    """What running a program without faults showed.

    Args:
        nondeterministic: where two runs differ; empty if they do not.
        is_ordered: a client sent its commands on one connection, and the same in each run, however busy the machine.
        unlike: the commands that only one of two runs has, in whatever order; empty if there is none.
        rejected_call: a call whose arguments the subject does not take; empty if there is none.
        raised: what the calls raised, if each of them did so that a pass would be empty, and no invariant was violated.
        last: the record of the last run.
    """

    nondeterministic: str
    is_ordered: bool
    unlike: str
    rejected_call: str
    raised: str
    last: CaseRecord


def dry_run(rig: Rig, program: Program, latency_bound_ms: float) -> DryRun:
    """Run a program without faults, and return whether the subject can run it and is deterministic."""
    one, other = records = warm_up(rig, program, latency_bound_ms, *[Schedule()] * 2)
    difference = first_difference(one.shape(), other.shape())
    if difference:
        # The server may have learned something in the first run, which new processes find; or a process has.
        rig.end_processes()
        (third,) = warm_up(rig, program, latency_bound_ms)
        if first_difference(other.shape(), third.shape()):
            if not first_difference(one.shape(), third.shape()):
                rig.begin_new_processes()
        else:
            one = other
        other, records = third, (*records, third)
        difference = first_difference(one.shape(), other.shape())
    rig.scripts[program.name] = scripts_in(records)
    is_ordered = not difference and max(one.connections, other.connections) <= 1
    return DryRun(
        nondeterministic=difference,
        is_ordered=is_ordered and not _depends_on_speed(rig, program, latency_bound_ms, other),
        unlike=different_labels(one, other),
        rejected_call=rejected_call_in(other.history),
        # A violation says more, and is found as soon as the cases are run.
        raised="" if other.violations else raised_by_every_call(program, other.history),
        last=other,
    )


def _depends_on_speed(
    rig: Rig, program: Program, latency_bound_ms: float, usual: CaseRecord
) -> bool:
    """Whether a client sends other commands on a busy machine, as one that polls until so much time has passed.

    Only a client that has waited can, so that others are not run again.

    Args:
        usual: the record of a run at the machine's speed.
    """
    if all(operation.duration_ms < _WAITED_MS for operation in usual.history):
        return False
    slow = run_schedule(rig, program, _SlowRun(Schedule()), latency_bound_ms)
    return slow.is_valid and bool(first_difference(usual.shape(), slow.shape()))


class _SlowRun(Replay):
    """Decides as late as on a busy machine."""

    def decide(self, point: Point) -> Decision:
        time.sleep(_DELAY_S)
        return super().decide(point)
