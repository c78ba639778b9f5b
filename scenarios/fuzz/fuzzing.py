"""Fuzzing a subject on a rig: batch after batch of planned examples, each run as one case, until the deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from midpipe.faultinject.decide.drawn import Drawn
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.case.confirming import confirmed, is_memory_of_process
from midpipe.scenarios.case.requirements import starts_for
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.running import run_schedule, runs_of, warm_up
from midpipe.scenarios.fuzz.case_coverage import coverage_of
from midpipe.scenarios.fuzz.corpus import Corpus
from midpipe.scenarios.fuzz.faults import faults_for, one_waiting_client, placeable_in
from midpipe.scenarios.fuzz.machine import run_batch
from midpipe.scenarios.fuzz.openings import opening_plans, version_pairs_of
from midpipe.scenarios.fuzz.plan import Enough, Plan, Result
from midpipe.scenarios.fuzz.sometimes import events_in, required_events
from midpipe.scenarios.fuzz.space import FuzzSpace, Steering
from midpipe.scenarios.fuzz.verbs import method_of, verbs_for, warm_up_steps
from midpipe.scenarios.model.coverage import Coverage
from midpipe.scenarios.model.messages import CaseEnded, FuzzBatch, FuzzDone, ended_from
from midpipe.scenarios.model.record import CaseRecord, Violation, first_difference
from midpipe.scenarios.programs.registry import program_named
from midpipe.scenarios.programs.written import program_from, written

BATCHES_PER_VERSION_PAIR = 8
DURABLE_ONE_IN = 10
MUTATED_ONE_IN = 4
COMPARED_ONE_IN = 20
"""Every so many examples one is run twice and compared, to see whether the subject is deterministic."""
SHRINKING_SHARE, SHRINKING_S_PER_KIND = 0.25, 2.0
"""Time reserved for shrinking: so much for each kind of violation, at most this share of the budget."""


class Fuzzing:
    """Fuzzes one subject on a rig.

    Args:
        seed, latency_bound_ms, deadline_s, time_s, invariants, steering: as in FuzzTask.
        known: violations that are no news, as those of earlier runs.
        corpus: shared with other workers; None if there is none.
        durable: makes a rig on a server that keeps its data and may be killed; None if midpipe has no such server.
        is_cancelled: asked before each example; true ends the task as if its deadline had come.
    """

    def __init__(
        self,
        rig: Rig,
        *,
        seed: int,
        latency_bound_ms: float,
        deadline_s: float,
        time_s: float,
        invariants: tuple[str, ...],
        steering: Steering,
        known: Iterable[Violation],
        corpus: Corpus | None,
        durable: Callable[[], Rig] | None,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._rig = rig
        self._seed = seed
        self._latency_bound_ms = latency_bound_ms
        self._deadline_s = self._ends_s = deadline_s
        self._time_s = time_s
        self._invariants = invariants
        self._steering = steering
        self._durable = durable
        self._is_cancelled = is_cancelled
        self._durable_rig: Rig | None = None
        traits = rig.traits
        self._verbs = verbs_for(traits)
        self._version_pairs = version_pairs_of(rig.subject) if traits.new_schema else ()
        self._hunted = set(invariants)
        self._coverage = Coverage()
        if corpus:
            self._coverage.learn(corpus.newly_covered())
        self._commands: dict[str, int] = {}
        self._kinds = {kind for violation in known for kind in _kinds_of(violation)}
        self._corpus = corpus
        self._to_share: list[str] = []
        self._reserve_s = 0.0
        self._failed: Exception | None = None

    def run(self) -> Iterator[CaseEnded | FuzzBatch | FuzzDone]:
        """Run examples until the deadline; yields each case, and after each batch what it covered."""
        try:
            self._warm_up(self._rig)
            number = self._seed
            if not self._invariants:
                yield from self._run_opening(number)
            self._begin_time()
            while not self._is_over:
                batch = FuzzBatch(number + 1)
                batch.sometimes.update(dict.fromkeys(required_events(self._rig.traits), 0))
                yield from self._batch(number, batch)
                self._share(batch)
                yield batch
                number += 1
        finally:
            if self._durable_rig is not None:
                self._durable_rig.close()
        yield FuzzDone()

    def _begin_time(self) -> None:
        now_s = time.monotonic()
        self._ends_s = min(self._deadline_s, now_s + self._time_s)
        self._reserve_s = SHRINKING_SHARE * max(0.0, self._ends_s - now_s)

    @property
    def _is_over(self) -> bool:
        """Whether everything hunted for is found, or the time is up except for what shrinking needs."""
        if self._is_late:
            return True
        if self._invariants:
            return not self._hunted
        reserve_s = min(self._reserve_s, SHRINKING_S_PER_KIND * len(self._kinds))
        return time.monotonic() > self._ends_s - reserve_s

    @property
    def _is_late(self) -> bool:
        return self._is_cancelled() or time.monotonic() > self._ends_s

    def _batch(self, number: int, batch: FuzzBatch) -> Iterator[CaseEnded]:
        rig = self._rig_for(number)
        pairs = self._version_pairs
        pair = pairs[number // BATCHES_PER_VERSION_PAIR % len(pairs)] if pairs else ()
        space = self._steered(self._space(rig, pair), number)
        ended: dict[Plan, CaseEnded] = {}
        results: dict[Plan, Result] = {}

        def run(plan: Plan) -> Result:
            if plan not in results:
                if self._is_over:
                    raise Enough
                try:
                    ended[plan], results[plan] = self._example(rig, plan, batch, len(ended))
                except Exception as error:
                    # Hypothesis would run the example again and report it as flaky.
                    error.add_note(f"in the plan {plan}")
                    self._failed = error
                    raise Enough from error
            return results[plan]

        blob = run_batch(run, space, number)
        for plan, case in ended.items():
            yield replace(case, blob=blob) if results[plan].new_violation else case
        if self._failed is not None:
            raise self._failed

    def _example(
        self, rig: Rig, plan: Plan, batch: FuzzBatch, number: int
    ) -> tuple[CaseEnded, Result]:
        program = program_named(plan.program)
        rig.keep_hosts_for(program)
        placeable = placeable_in(rig, program)
        order = tuple(step.client for step in plan.steps if step.client)
        drawn = Drawn(plan.picks, one_waiting_client(plan.faults), placeable, order)

        def warm_again() -> None:
            if any(CATALOGUE[fault.name].forgets_scripts for _, fault in drawn.planned_faults):
                self._warm_up(rig)

        def run() -> CaseRecord:
            record = run_schedule(rig, program, drawn, self._latency_bound_ms)
            warm_again()
            return record

        first = run()
        again = runs_of(rig, program, drawn.current, self._latency_bound_ms, warm_again)
        record = confirmed(first, again, rig.confirmed_kinds, lambda: self._is_late)
        if is_memory_of_process(record) and rig.begin_new_processes():
            record = confirmed(run(), again, rig.confirmed_kinds, lambda: self._is_late)
        ended = ended_from(record, drawn.current)
        violated_invariants = {kind for v in ended.violations for kind in _kinds_of(v)}
        new = "" if self._invariants else ", ".join(sorted(violated_invariants - self._kinds))
        self._kinds |= violated_invariants
        if new:
            self._to_share.append(ended.replay)
        if record.is_valid and (new or number % COMPARED_ONE_IN == COMPARED_ONE_IN - 1):
            other = run()
            where = first_difference(first.shape(), other.shape()) if other.is_valid else ""
            if where:
                batch.nondeterministic.append((ended.replay, where))
        self._hunted -= {violation.invariant for violation in ended.violations}
        if not record.is_valid:
            return ended, Result(0.0)
        batch.sometimes.update(events_in(record, program))
        met = coverage_of(record, placeable)
        batch.coverage.add(met)
        if not record.faults:
            # After a fault the driver may send commands again, which would count as further ones.
            for place in (m.place for m in met):
                most = max(place.command, self._commands.get(place.operation, 0))
                self._commands[place.operation] = most
        return ended, Result(self._coverage.add(met), new)

    def _share(self, batch: FuzzBatch) -> None:
        """Add what is new to the corpus, and learn what others have covered; go on alone once the corpus fails."""
        if self._corpus is None:
            return
        try:
            for replay in self._to_share:
                self._corpus.add_find(replay)
            self._corpus.add_covered(self._coverage)
            self._coverage.learn(self._corpus.newly_covered())
        except UsageError as error:
            self._corpus = None
            batch.not_shared = str(error)
        self._to_share.clear()

    def _run_opening(self, number: int) -> Iterator[CaseEnded | FuzzBatch]:
        """Run one example for each required event, so that a short run on a busy machine has seen them all."""
        batch = FuzzBatch(number)
        for plan in opening_plans(self._verbs, self._version_pairs):
            if self._is_over:
                break
            ended, _ = self._example(self._rig, plan, batch, 0)
            yield ended
        self._share(batch)
        yield batch

    def _rig_for(self, number: int) -> Rig:
        """Return the rig for a batch; every tenth batch gets one whose server may be killed."""
        if self._durable is None or (number + 1) % DURABLE_ONE_IN:
            return self._rig
        if self._durable_rig is None:
            self._durable_rig = self._durable()
            self._warm_up(self._durable_rig)
        return self._durable_rig

    def _space(self, rig: Rig, version_pair: tuple[str, ...]) -> FuzzSpace:
        commands, unseen = self._commands, self._coverage.unseen()
        methods = {verb: method_of(verb) for verb in sorted(self._verbs)}
        return FuzzSpace(
            verbs=self._verbs,
            faults=faults_for(rig),
            version_pair=version_pair,
            starts=starts_for(rig.traits),
            commands={v: commands[method] for v, method in methods.items() if method in commands},
            unseen={v: unseen[method] for v, method in methods.items() if method in unseen},
        )

    def _steered(self, space: FuzzSpace, number: int) -> FuzzSpace:
        """Return the space of a batch, with what earlier batches have shown as far as that is to decide."""
        if self._steering is Steering.NONE:
            return replace(space, unseen={})
        return replace(space, mutates=number % MUTATED_ONE_IN == 0)

    def _warm_up(self, rig: Rig) -> None:
        """Make every call once, so that the server has every script."""
        program = program_from(written(warm_up_steps(self._verbs)))
        warm_up(rig, program, self._latency_bound_ms)


def _kinds_of(violation: Violation) -> set[str]:
    """Return the kinds of a violation: the invariant with each operation in which it was violated."""
    return {f"{violation.invariant} {evidence.method}".strip() for evidence in violation.evidence}
