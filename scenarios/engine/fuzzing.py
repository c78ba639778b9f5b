"""Fuzzing a subject on a rig: batch after batch of planned examples, each run as one case, until the time is up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping

from faultinject.decide.drawn import Drawn
from faultinject.faults import CATALOGUE, Pace, pace_of
from faultinject.faults.fault import Fault
from faultinject.vocabulary import Executed, FaultRef
from scenarios.engine.explore import CaseEnded, ended_from, run_schedule, selected, warm_up
from scenarios.engine.record import CaseRecord, Stepped
from scenarios.engine.rig import Rig
from scenarios.engine.tasks import FuzzDone, FuzzTask
from scenarios.fuzz import Plan, one_batch
from scenarios.invariants.evidence import Traits
from scenarios.programs.program import Program
from scenarios.programs.registry import program_named
from scenarios.programs.written import VERBS, WrittenStep, program_from, written

_METHODS = {
    "update": "update_status",
    "get": "get_job",
    "list": "list_jobs",
    "claim-ended": "claim",
}
_IN_THIS_ORDER = (
    "enqueue",
    "get",
    "list",
    "claim",
    "heartbeat",
    "fail",
    "complete",
    "update",
    "backfill",
)
_WORDS = {"enqueue": ("job-1", "r-1"), "get": ("job-1",), "update": ("job-1", "running")}
_ROLLED_TO = ("off", "read-new")
A_REPLY_IS_LOST = "a reply was lost after the server ran the command"
A_DUPLICATE_IS_MET = "an enqueue met a duplicate"
A_LEASE_ENDS = "a job was given out again after its lease had ended"


def fuzzed(rig: Rig, task: FuzzTask) -> Iterator[CaseEnded | FuzzDone]:
    """Run examples until the deadline; yields each, and in the end what they covered."""
    traits = rig.traits
    verbs = frozenset(verb for verb in VERBS if _METHODS.get(verb, verb) in traits.methods)
    versions = _ROLLED_TO if traits.new_schema else ()
    faults = tuple(name for name, fault in CATALOGUE.items() if _is_planned(fault, rig))
    covered: set[str] = set()
    sometimes = Counter(dict.fromkeys(must_happen(traits), 0))
    warm_up(rig, _warming(verbs), task.latency_bound_ms)
    examples = 0
    batch = task.seed
    while time.monotonic() < task.deadline_s:
        seen: list[CaseEnded] = []

        def run(plan: Plan, seen: list[CaseEnded] = seen) -> float:
            if time.monotonic() > task.deadline_s:
                return 0.0
            program = program_named(plan.program)
            drawn = Drawn(
                plan.picks, _for_clients(plan.faults, program), selected(rig.server.is_ours)
            )

            def again() -> Drawn:
                drawn.restart()
                return drawn

            record = run_schedule(rig, program, again, task.latency_bound_ms)
            if any(CATALOGUE[fault.name].forgets_scripts for fault in drawn.planned_faults):
                warm_up(rig, _warming(verbs), task.latency_bound_ms)
            parts = coverage_of(record)
            covered.update(parts)
            sometimes.update(happenings_of(record))
            seen.append(ended_from(record, drawn.current))
            return float(len(parts))

        one_batch(run, verbs, versions, faults, batch)
        batch += 1
        examples += len(seen)
        yield from seen
    yield FuzzDone(examples, tuple(sorted(covered)), tuple(sorted(sometimes.items())))


def must_happen(traits: Traits) -> tuple[str, ...]:
    """Return what a run must meet now and then to mean something, for such a subject."""
    leases = (A_LEASE_ENDS,) if {"claim", "complete"} <= traits.methods else ()
    return (A_REPLY_IS_LOST, A_DUPLICATE_IS_MET, *leases)


def coverage_of(record: CaseRecord) -> set[str]:
    """Return what a case covered: operation, command, fault, and whether the server ran it."""
    methods = {
        (operation.client, operation.request): operation.method for operation in record.history
    }
    return {
        f"{methods.get((step.event.position.client, step.event.index.operation), '')} "
        f"{step.event.name} {step.fault or 'no fault'} executed={step.executed}"
        for step in record.steps
    }


def happenings_of(record: CaseRecord) -> Counter[str]:
    """Return which of the things that must happen did so in a case."""
    lost = any(
        isinstance(entry, Stepped)
        and entry.step.fault
        and entry.step.executed is Executed.YES
        and not CATALOGUE[entry.step.fault.name].effects(2, None).reply_passes
        for entry in record.entries
    )
    duplicate = any(o.method == "enqueue" and o.value is False for o in record.history)
    claimed = Counter(
        str(operation.value.get("job_id"))
        for operation in record.history
        if operation.method == "claim" and isinstance(operation.value, dict)
    )
    claimed.update(record.delivered or ())
    happened = Counter[str]()
    happened[A_REPLY_IS_LOST] = int(lost)
    happened[A_DUPLICATE_IS_MET] = int(duplicate)
    happened[A_LEASE_ENDS] = int(any(count > 1 for count in claimed.values()))
    return happened


def _for_clients(faults: Mapping[int, FaultRef], program: Program) -> Mapping[int, FaultRef]:
    """Return the faults that such a program can meet: while one client waits for its time-out, so would the others."""
    if len(program.clients) == 1:
        return faults
    return {
        point: fault
        for point, fault in faults.items()
        if pace_of(fault) is not Pace.WAITS_FOR_TIME_OUT
    }


def _is_planned(fault: Fault, rig: Rig) -> bool:
    return not (fault.needs_persistence or fault.needs_replica) and (
        rig.server.is_ours or not fault.needs_own_server
    )


def _warming(verbs: frozenset[str]) -> Program:
    """Return a program that makes every call once, so that the server knows every script."""
    steps = [
        WrittenStep("A", verb, _WORDS.get(verb, ())) for verb in _IN_THIS_ORDER if verb in verbs
    ]
    return program_from(written(tuple(steps)))
