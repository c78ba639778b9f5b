"""Fuzzing a subject on a rig: batch after batch of planned examples, each run as one case, until the time is up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from midpipe.faultinject.decide.drawn import Drawn, FaultAt
from midpipe.faultinject.decide.sweep import Placeable
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.faults.effects import Process
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import Executed, FaultRef, WireEvent
from midpipe.scenarios.case.requirements import starts_for
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.explore import (
    CaseEnded,
    ended_from,
    is_slow,
    may_happen_to,
    run_schedule,
    selected,
    warm_up,
)
from midpipe.scenarios.explore.tasks import FuzzBatch, FuzzDone, FuzzTask
from midpipe.scenarios.fuzz.machine import Plan, Ran, one_batch
from midpipe.scenarios.fuzz.space import PLAIN_FAULTS, FuzzSpace
from midpipe.scenarios.model.coverage import (
    LAST_COMMAND_TOLD,
    NO_FAULT,
    Coverage,
    Met,
    Place,
    state_for,
)
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.record import Called, CaseRecord, Stepped, Violation, first_difference
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.state import tables_of
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import program_named
from midpipe.scenarios.programs.written import VERBS, WrittenStep, program_from, written

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
COMPARES_ONE_IN = 20
"""Examples that are run twice and compared, whatever they come to: does the subject do the same each time?"""
SHARE_FOR_SHRINKING, SHRINKING_S_A_KIND = 0.25, 2.0
"""Of the time that there is, so much at most is left for making the finds small."""
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
        is_called_off: nobody wants a further example.
    """

    def __init__(
        self,
        rig: Rig,
        task: FuzzTask,
        durable: Callable[[], Rig] | None,
        is_called_off: Callable[[], bool],
    ) -> None:
        self._rig = rig
        self._task = task
        self._durable = durable
        self._is_called_off = is_called_off
        self._durable_rig: Rig | None = None
        traits = rig.traits
        self._verbs = frozenset(v for v in VERBS if _METHODS.get(v, v) in traits.methods)
        self._meetings = meetings_of(rig.subject) if traits.new_schema else ()
        self._hunted = set(task.invariants)
        self._coverage = Coverage()
        self._commands: dict[str, int] = {}
        self._kinds: set[str] = set()
        self._reserve_s = SHARE_FOR_SHRINKING * max(0.0, task.deadline_s - time.monotonic())
        self._failed: Exception | None = None

    def run(self) -> Iterator[CaseEnded | FuzzBatch | FuzzDone]:
        """Run examples until the deadline; yields each, and after each batch what it covered."""
        try:
            self._warm_up(self._rig)
            number = self._task.seed
            if not self._task.invariants:
                yield from self._open(number)
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
        """Whether the hunt is, or the time but for what it takes to make the finds small."""
        if self._is_called_off():
            return True
        if self._task.invariants:
            return not self._hunted or time.monotonic() > self._task.deadline_s
        reserve_s = min(self._reserve_s, SHRINKING_S_A_KIND * len(self._kinds))
        return time.monotonic() > self._task.deadline_s - reserve_s

    def _batch(self, number: int, batch: FuzzBatch) -> Iterator[CaseEnded]:
        rig = self._rig_for(number)
        meetings = self._meetings
        meeting = meetings[number // BATCHES_OF_A_MEETING % len(meetings)] if meetings else ()
        space = self._means(rig, meeting)
        ended: dict[Plan, CaseEnded] = {}
        ran: dict[Plan, Ran] = {}

        def run(plan: Plan) -> Ran:
            if plan not in ran and not self._is_over and self._failed is None:
                try:
                    ended[plan], ran[plan] = self._example(rig, plan, batch, len(ended))
                except (
                    Exception
                ) as error:  # not the subject's doing: nothing for Hypothesis to find again
                    error.add_note(f"in the plan {plan}")
                    self._failed = error
            return ran.get(plan, Ran(0.0))

        blob = one_batch(run, space, number)
        for plan, case in ended.items():
            yield replace(case, blob=blob) if ran[plan].fell else case
        if self._failed is not None:
            raise self._failed

    def _example(
        self, rig: Rig, plan: Plan, batch: FuzzBatch, number: int
    ) -> tuple[CaseEnded, Ran]:
        program = program_named(plan.program)
        rig.keep_only(program.runners)
        placeable = _placeable(rig, program)
        order = tuple(step.client for step in plan.steps if step.client)
        drawn = Drawn(plan.picks, _one_waits(plan.faults), placeable, order)

        def again() -> Drawn:
            drawn.restart()
            return drawn

        def run() -> CaseRecord:
            record = run_schedule(rig, program, again, self._task.latency_bound_ms)
            if any(CATALOGUE[fault.name].forgets_scripts for _, fault in drawn.planned_faults):
                self._warm_up(rig)
            return record

        record = run()
        ended = ended_from(record, drawn.current)
        violated_invariants = {kind for v in ended.violations for kind in _kinds_of(v)}
        new = "" if self._task.invariants else ", ".join(sorted(violated_invariants - self._kinds))
        self._kinds |= violated_invariants
        if record.is_valid and (new or number % COMPARES_ONE_IN == COMPARES_ONE_IN - 1):
            other = run()
            where = first_difference(record.shape(), other.shape()) if other.is_valid else ""
            if where:
                batch.nondeterministic.append((ended.replay, where))
        self._hunted -= {fell.invariant for fell in ended.violations}
        if not record.is_valid:
            return ended, Ran(0.0)
        batch.sometimes.update(happenings_of(record, program))
        met = met_in(record, placeable)
        batch.coverage.add(met)
        if not record.faults:
            # With a fault the driver may send some again, and the last of its commands is another one.
            for place in (m.place for m in met):
                most = max(place.command, self._commands.get(place.operation, 0))
                self._commands[place.operation] = most
        return ended, Ran(self._coverage.add(met), new)

    def _open(self, number: int) -> Iterator[CaseEnded | FuzzBatch]:
        """Run an example of each thing that must happen, so that a short run on a busy machine means something too."""
        batch = FuzzBatch(number)
        for plan in openings(self._verbs, self._meetings):
            if self._is_over:
                break
            ended, _ = self._example(self._rig, plan, batch, 0)
            yield ended
        yield batch

    def _rig_for(self, number: int) -> Rig:
        """Return the rig of a batch: now and then one whose server may be killed."""
        if self._durable is None or (number + 1) % DURABLE_ONE_IN:
            return self._rig
        if self._durable_rig is None:
            self._durable_rig = self._durable()
            self._warm_up(self._durable_rig)
        return self._durable_rig

    def _means(self, rig: Rig, meeting: tuple[str, ...]) -> FuzzSpace:
        commands, unseen = self._commands, self._coverage.unseen()
        methods = {verb: _METHODS.get(verb, verb) for verb in sorted(self._verbs)}
        return FuzzSpace(
            verbs=self._verbs,
            faults=_faults_for(rig),
            meeting=meeting,
            starts=starts_for(rig.traits),
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


def openings(verbs: frozenset[str], meetings: tuple[tuple[str, ...], ...]) -> tuple[Plan, ...]:
    """Return the plans that a run begins with: a lost reply, a duplicate, a crash, a lease that ends, a roll."""
    ask = WrittenStep("A", "enqueue", ("job-1", "r-1"))
    plans = [
        Plan((ask, ask), (), (FaultAt("A", 1, 1, FaultRef("lost-reply")),)),
        Plan((ask,), (), (FaultAt("A", 1, 1, FaultRef("crash")),)),
    ]
    if "claim-ended" in verbs:
        claims = (WrittenStep("A", "claim-ended"), WrittenStep("B", "claim"))
        plans.append(Plan((ask, *claims), (), ()))
    if meetings:
        first, second = meetings[0]
        rolled = (replace(ask, version=first), WrittenStep("A", "get", ("job-1",), second))
        plans.append(Plan(rolled, (), ()))
    return tuple(plans)


def _kinds_of(violation: Violation) -> set[str]:
    """Return the kinds of a violation, as names: the invariant and each operation in which it fell."""
    return {f"{violation.invariant} {breach.method}".strip() for breach in violation.breaches}


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
    """Return which of the things that may have to happen did so in a case, and no other."""
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
    return +happened


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
