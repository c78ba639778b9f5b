"""Fuzzing a subject on a rig: batch after batch of planned examples, each run as one case, until the time is up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from faultinject.decide.drawn import Drawn, FaultAt
from faultinject.decide.sweep import Placeable
from faultinject.faults import CATALOGUE
from faultinject.faults.effects import Process
from faultinject.servers.persistence import Persistence
from faultinject.vocabulary import Executed, FaultRef, WireEvent
from scenarios.coverage import LAST_COMMAND_TOLD, NO_FAULT, Coverage, Met, Place, state_for
from scenarios.engine.explore import (
    CaseEnded,
    ended_from,
    is_slow,
    may_happen_to,
    run_schedule,
    selected,
    warm_up,
)
from scenarios.engine.record import Called, CaseRecord, Stepped
from scenarios.engine.rig import Rig
from scenarios.engine.tasks import FuzzBatch, FuzzDone, FuzzTask
from scenarios.fuzz import CLIENTS, PLAIN_FAULTS, Means, Plan, one_batch
from scenarios.invariants.evidence import Traits
from scenarios.programs.fleets import VERSIONS
from scenarios.programs.program import ITSELF, Program
from scenarios.programs.registry import program_named
from scenarios.programs.written import VERBS, WrittenStep, program_from, written
from scenarios.state import tables_of
from scenarios.subjects.spec import SubjectSpec

_METHODS = {
    "enqueue-once": "enqueue",
    "enqueue-anew": "enqueue",
    "update": "update_status",
    "update-once": "update_status",
    "get": "get_job",
    "list": "list_jobs",
    "claim-ended": "claim",
    "heartbeat-ended": "heartbeat",
    "backfill-step": "backfill_step",
    "malformed": "enqueue",
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
    "backfill-step",
    "cleanup",
)
_WORDS = {
    "enqueue": ("job-1", "r-1"),
    "get": ("job-1",),
    "update": ("job-1", "running"),
    "backfill-step": ("job-1",),
}
MEETINGS = (
    ("off", "read-new"),
    ("read-old", "read-new"),
    ("off", "read-old"),
    ("read-new", "new-only"),
)
"""The versions that run side by side: neighbours in the roll-out, and the canary as its authors planned it."""
BATCHES_OF_A_MEETING = 8
DURABLE_ONE_IN = 10
PERSISTENCE = Persistence.AOF_ALWAYS
_NOT_FOR_SEVERAL = frozenset(
    name for name, f in CATALOGUE.items() if f.effects(2, None).pauses_server
)
"""While one client waits for a server that stands still, so would the others, for their own time-outs."""

A_REPLY_IS_LOST = "a reply was lost after the server ran the command"
A_DUPLICATE_IS_MET = "an enqueue met a duplicate"
A_LEASE_ENDS = "a job was given out again after its lease had ended"
A_CLIENT_CRASHES = "a client's process was killed"
A_VERSION_CHANGES = "a client was rolled to another version"


class Fuzzing:
    """One fuzz task on a rig.

    Args:
        durable: makes a rig on a server that keeps its data and may be killed; None if there is none to be had.
    """

    def __init__(self, rig: Rig, task: FuzzTask, durable: Callable[[], Rig] | None) -> None:
        self._rig = rig
        self._task = task
        self._durable = durable
        self._durable_rig: Rig | None = None
        traits = rig.traits
        self._verbs = frozenset(v for v in VERBS if _METHODS.get(v, v) in traits.methods)
        self._meetings = meetings_of(rig.subject) if traits.new_schema else ()
        self._hunted = set(task.invariants)
        self._coverage = Coverage()
        self._failed: Exception | None = None

    def run(self) -> Iterator[CaseEnded | FuzzBatch | FuzzDone]:
        """Run examples until the deadline; yields each, and after each batch what it covered."""
        try:
            self._warm_up(self._rig)
            number = self._task.seed
            while not self._is_over:
                batch = FuzzBatch(number + 1)
                batch.sometimes.update(dict.fromkeys(must_happen(self._rig.traits), 0))
                yield from self._batch(number, batch)
                yield batch
                number += 1
        finally:
            if self._durable_rig is not None:
                self._durable_rig.close()
        yield FuzzDone()

    @property
    def _is_over(self) -> bool:
        hunt_is_over = bool(self._task.invariants) and not self._hunted
        return hunt_is_over or time.monotonic() > self._task.deadline_s

    def _batch(self, number: int, batch: FuzzBatch) -> Iterator[CaseEnded]:
        rig = self._rig_for(number)
        meetings = self._meetings
        meeting = meetings[number // BATCHES_OF_A_MEETING % len(meetings)] if meetings else ()
        versions = (ITSELF, *(VERSIONS[name] for name in meeting if name))
        rig.keep_only([(letter, version) for letter in CLIENTS for version in versions])
        means = self._means(rig, meeting)
        ended: list[CaseEnded] = []
        novelty: dict[Plan, float] = {}

        def run(plan: Plan) -> float:
            if self._is_over or self._failed is not None:
                return 0.0
            if plan in novelty:
                return novelty[plan]
            program = program_named(plan.program)
            placeable = _placeable(rig, program)
            order = tuple(step.client for step in plan.steps if step.client)
            drawn = Drawn(plan.picks, _one_waits(plan.faults), placeable, order)

            def again() -> Drawn:
                drawn.restart()
                return drawn

            try:
                record = run_schedule(rig, program, again, self._task.latency_bound_ms)
            except (
                Exception
            ) as error:  # not the subject's doing, so nothing for Hypothesis to reproduce
                error.add_note(f"in the plan {plan}")
                self._failed = error
                return 0.0
            if any(CATALOGUE[fault.name].forgets_scripts for _, fault in drawn.planned_faults):
                self._warm_up(rig)
            ended.append(ended_from(record, drawn.current))
            self._hunted -= {fell.invariant for fell in ended[-1].violations}
            novelty[plan] = 0.0
            if not record.is_valid:
                return 0.0
            batch.sometimes.update(happenings_of(record, program))
            met = met_in(record, placeable)
            batch.coverage.add(met)
            novelty[plan] = self._coverage.add(met)
            return novelty[plan]

        one_batch(run, means, number)
        yield from ended
        if self._failed is not None:
            raise self._failed

    def _rig_for(self, number: int) -> Rig:
        """Return the rig of a batch: now and then one whose server may be killed."""
        if self._durable is None or (number + 1) % DURABLE_ONE_IN:
            return self._rig
        if self._durable_rig is None:
            self._durable_rig = self._durable()
            self._warm_up(self._durable_rig)
        return self._durable_rig

    def _means(self, rig: Rig, meeting: tuple[str, ...]) -> Means:
        commands, unseen = self._coverage.commands(), self._coverage.unseen()
        methods = {verb: _METHODS.get(verb, verb) for verb in sorted(self._verbs)}
        return Means(
            verbs=self._verbs,
            faults=_faults_for(rig),
            meeting=meeting,
            commands={v: commands[method] for v, method in methods.items() if method in commands},
            unseen={v: unseen[method] for v, method in methods.items() if method in unseen},
        )

    def _warm_up(self, rig: Rig) -> None:
        """Make every call once, so that the server knows every script."""
        steps = [
            WrittenStep("A", verb, _WORDS.get(verb, ()))
            for verb in _IN_THIS_ORDER
            if verb in self._verbs
        ]
        program = program_from(written(tuple(steps)))
        warm_up(rig, program, self._task.latency_bound_ms)


def meetings_of(subject: SubjectSpec) -> tuple[tuple[str, ...], ...]:
    """Return the versions that run side by side, by name; the one that the subject is anyway needs no process more."""
    is_read_new = dict(subject.environment) == dict(SubjectSpec().environment)
    return tuple(
        tuple("" if is_read_new and name == "read-new" else name for name in meeting)
        for meeting in MEETINGS
    )


def must_happen(traits: Traits) -> tuple[str, ...]:
    """Return what a run must meet now and then to mean something, for such a subject."""
    leases = (A_LEASE_ENDS,) if {"claim", "complete"} <= traits.methods else ()
    versions = (A_VERSION_CHANGES,) if traits.new_schema else ()
    return (A_REPLY_IS_LOST, A_DUPLICATE_IS_MET, A_CLIENT_CRASHES, *leases, *versions)


def met_in(record: CaseRecord, placeable: Placeable) -> tuple[Met, ...]:
    """Return every place that a case met."""
    calls: dict[str, Called] = {}
    found = []
    for entry in record.entries:
        if isinstance(entry, Called):
            calls[entry.client] = entry
        elif isinstance(entry, Stepped):
            event = entry.step.event
            called = calls[event.position.client]
            tables = tables_of(record.states[entry.before]) if record.traits.white_box else None
            place = Place(
                operation=called.method,
                command=min(event.index.command, LAST_COMMAND_TOLD),
                name=event.name,
                again=called.attempt > 1,
                state=state_for(called.method, called.arguments, tables),
            )
            possible = frozenset(fault.name for fault in placeable(event))
            fault = entry.step.fault.name if entry.step.fault else NO_FAULT
            found.append(Met(place, fault, possible))
    return tuple(found)


def happenings_of(record: CaseRecord, program: Program) -> Counter[str]:
    """Return which of the things that must happen did so in a case."""
    faults = [
        (entry.step.fault, entry.step.executed)
        for entry in record.entries
        if isinstance(entry, Stepped) and entry.step.fault
    ]
    effects = [CATALOGUE[fault.name].effects(2, fault.parameter) for fault, _ in faults]
    lost = any(
        executed is Executed.YES and not effect.reply_passes
        for (_, executed), effect in zip(faults, effects, strict=True)
    )
    claimed = Counter(
        str(operation.value.get("job_id"))
        for operation in record.history
        if operation.method == "claim" and isinstance(operation.value, dict)
    )
    claimed.update(record.delivered or ())
    happened = Counter[str]()
    happened[A_REPLY_IS_LOST] = int(lost)
    happened[A_DUPLICATE_IS_MET] = int(
        any(o.method == "enqueue" and o.value is False for o in record.history)
    )
    happened[A_LEASE_ENDS] = int(any(count > 1 for count in claimed.values()))
    happened[A_CLIENT_CRASHES] = int(any(e.process is Process.KILLED for e in effects))
    happened[A_VERSION_CHANGES] = int(
        any(len({call.version for call in calls}) > 1 for calls in program.clients.values())
    )
    return happened


def _placeable(rig: Rig, program: Program) -> Placeable:
    """Return what says which faults can be placed in a program: while one client waits, the others must not."""
    possible = selected(rig.server.is_ours, persistence=_kept(rig))
    if len(program.clients) == 1:
        return possible

    def without_pauses(event: WireEvent) -> tuple[FaultRef, ...]:
        return tuple(fault for fault in possible(event) if fault.name not in _NOT_FOR_SEVERAL)

    return without_pauses


def _one_waits(faults: tuple[FaultAt, ...]) -> tuple[FaultAt, ...]:
    """Return the faults without those for which a second client would wait for its time-out, and both give up."""
    waiting = [planned.client for planned in faults if is_slow(planned.fault)]
    return tuple(
        planned for planned in faults if not is_slow(planned.fault) or planned.client == waiting[0]
    )


def _kept(rig: Rig) -> Persistence | None:
    """Return what the rig's server keeps when it is killed; None if nothing, and it is not to be killed."""
    kept = rig.server.persistence
    return None if kept is Persistence.NONE else kept


def _faults_for(rig: Rig) -> tuple[str, ...]:
    """Return the faults that may be planned: on a server that keeps its data, kills and the plain ones."""
    kept, ours = _kept(rig), rig.server.is_ours
    planned = [
        name
        for name, fault in CATALOGUE.items()
        if may_happen_to(kept, FaultRef(name)) and (ours or not fault.needs_own_server)
    ]
    if kept is None:
        return tuple(planned)
    return tuple(
        name
        for name in planned
        if name in PLAIN_FAULTS
        or CATALOGUE[name].needs_persistence
        or CATALOGUE[name].needs_replica
    )
