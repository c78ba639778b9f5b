"""Fuzzing a subject on a rig: batch after batch of planned examples, each run as one case, until the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from midpipe.faultinject.decide.drawn import Drawn
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.case.requirements import starts_for
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.explore import (
    CaseEnded,
    ended_from,
    run_schedule,
    warm_up,
)
from midpipe.scenarios.explore.tasks import FuzzBatch, FuzzDone, FuzzTask
from midpipe.scenarios.fuzz.faults import faults_for, one_waits, placeable_in
from midpipe.scenarios.fuzz.machine import Plan, Ran, one_batch
from midpipe.scenarios.fuzz.met import met_in
from midpipe.scenarios.fuzz.openings import meetings_of, openings
from midpipe.scenarios.fuzz.sometimes import happenings_of, must_happen
from midpipe.scenarios.fuzz.space import FuzzSpace
from midpipe.scenarios.model.coverage import (
    Coverage,
)
from midpipe.scenarios.model.record import CaseRecord, Violation, first_difference
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
BATCHES_OF_A_MEETING = 8
DURABLE_ONE_IN = 10
COMPARES_ONE_IN = 20
"""Examples that are run twice and compared, whatever they come to: does the subject do the same each time?"""
SHARE_FOR_SHRINKING, SHRINKING_S_A_KIND = 0.25, 2.0
"""Of the time that there is, so much at most is left for making the finds small."""
PERSISTENCE = Persistence.AOF_ALWAYS


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
        placeable = placeable_in(rig, program)
        order = tuple(step.client for step in plan.steps if step.client)
        drawn = Drawn(plan.picks, one_waits(plan.faults), placeable, order)

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
            faults=faults_for(rig),
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


def _kinds_of(violation: Violation) -> set[str]:
    """Return the kinds of a violation, as names: the invariant and each operation in which it fell."""
    return {f"{violation.invariant} {evidence.method}".strip() for evidence in violation.evidence}
