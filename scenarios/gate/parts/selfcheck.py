"""Selfcheck: every flawed queue must violate the invariants that it names, and the reference none.

Each queue is run by the programs written for its flaw, by fuzzing alone within a time budget, or by both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from midpipe.faultinject.servers.opening import WALL
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.flaws.flaw import Flaw
from midpipe.scenarios.flaws.registry import CLOCK_FLAWS, FLAWS
from midpipe.scenarios.gate.hunting import HuntTask
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.task_queue import TaskQueue, cut_off_phrase
from midpipe.scenarios.model.messages import HuntDone, Message
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from midpipe.scenarios.model.verdict import FlawRow, Outcome, merge
from midpipe.scenarios.programs.registry import SUITES

PROGRAMS, FUZZ = "programs", "fuzz"


class Selfcheck:
    """Hunts for the flaw in every flawed queue. The reference is swept completely, here or as the subject."""

    name = "selfcheck"

    def __init__(self, options: Options, results: Results) -> None:
        self._options = options
        self._results = results
        hunts = [
            (flaw, self._hunt_of(flaw, by))
            for by in options.selfcheck_by
            for flaw in (*FLAWS, *(CLOCK_FLAWS if _may_step(options, by) else ()))
        ]
        self._flaws = tuple((flaw, hunt.suite) for flaw, hunt in hunts)
        self._hunts = (
            *((flaw.name, hunt) for flaw, hunt in hunts),
            *(("reference", hunt) for hunt in self._hunts_of_the_reference()),
        )
        self.queue = TaskQueue(len(self._hunts))
        self._stopped: set[int] = set()
        self._not_tried: list[str] = []
        self._outcomes: list[Outcome] = []

    def task(self, number: int, deadline_s: float) -> tuple[str, Task]:
        name, hunt = self._hunts[number]
        return name, replace(hunt, deadline_s=deadline_s)

    def _hunts_of_the_reference(self) -> Iterator[HuntTask]:
        options = self._options
        if PROGRAMS in options.selfcheck_by:
            for suite in SUITES:
                if options.subject.text != REFERENCE or suite not in options.parts:
                    yield self._hunt(REFERENCE, (), suite)
        if FUZZ in options.selfcheck_by:
            yield self._hunt(REFERENCE, (), FUZZ)

    def take(self, number: int, message: Message) -> None:
        if not isinstance(message, HuntDone):
            return
        if message.stopped:
            self._stopped.add(number)
        if number >= len(self._flaws):
            self._outcomes.append(self._reference(message))
        elif message.reason:
            self._not_tried.append(self._flaws[number][0].name)
        elif not message.stopped:
            self._outcomes.append(self._flawed(*self._flaws[number], message))

    def record_cut_off(self) -> str:
        unfinished = len(self.queue.unfinished | self._stopped)
        total = f"{len(self._hunts)} queues"
        return cut_off_phrase(total, unfinished, len(self.queue.not_started))

    def finish(self) -> None:
        order = [flaw.name for flaw in (*FLAWS, *CLOCK_FLAWS)]
        self._results.flaws.sort(key=lambda row: order.index(row.flaw) if row.flaw in order else -1)
        if self._not_tried:
            names = ", ".join(sorted(self._not_tried))
            self._results.warnings.append(
                f"Selfcheck: {names} were not tried, because they show on a stepped clock only."
            )
        outcomes = [*self._outcomes, *([Outcome.UNKNOWN] if self.record_cut_off() else [])]
        self._results.parts[self.name] = merge(outcomes)

    def _hunt_of(self, flaw: Flaw, by: str) -> HuntTask:
        if by == FUZZ:
            return self._hunt(flaw.subject, flaw.caught_by, FUZZ, part=flaw.part)
        hunt = self._hunt(flaw.subject, flaw.caught_by, flaw.suite, flaw.programs)
        return replace(hunt, needs_stepped_clock=flaw in CLOCK_FLAWS)

    def _hunt(
        self,
        subject: str,
        invariants: tuple[str, ...],
        suite: str,
        programs: tuple[str, ...] = (),
        part: str = "",
    ) -> HuntTask:
        options = self._options
        return HuntTask(
            SubjectSpec(subject),
            invariants,
            latency_bound_ms=options.latency_bound_ms,
            programs=programs,
            suite=suite,
            budget_s=options.flaw_budget_s,
            seed=options.seed,
            part=part,
        )

    def _reference(self, done: HuntDone) -> Outcome:
        for caught in done.caught:
            row = FlawRow(
                flaw="reference",
                invariant=caught.invariant,
                expected=False,
                caught=True,
                outcome=Outcome.FAIL,
                replay=caught.replay,
                case_number=caught.case_number,
            )
            self._results.flaws.append(row)
            self._results.warnings.append(
                f"The reference violates {caught.invariant} in {caught.replay!r}: {caught.seen}"
            )
        doubts = []
        if done.invalid:
            doubts.append(f"{done.invalid} cases of the reference were invalid.")
        if done.unconfirmed:
            doubts.append(
                f"{done.unconfirmed} cases of the reference violated an invariant, and did not when run again."
            )
        self._results.warnings += doubts
        if done.caught:
            return Outcome.FAIL
        return Outcome.UNKNOWN if doubts else Outcome.PASS

    def _flawed(self, flaw: Flaw, suite: str, done: HuntDone) -> Outcome:
        by_invariant = {caught.invariant: caught for caught in done.caught}
        for name in dict.fromkeys((*flaw.caught_by, *by_invariant)):
            caught = by_invariant.get(name)
            self._results.flaws.append(
                FlawRow(
                    flaw=flaw.name,
                    invariant=name,
                    expected=name in flaw.caught_by,
                    caught=caught is not None,
                    outcome=Outcome.FAIL if caught is None else Outcome.PASS,
                    replay=caught.replay if caught else "",
                    case_number=caught.case_number if caught else 0,
                    seconds=round(caught.seconds, 3) if caught else 0.0,
                    by=suite,
                )
            )
        missed = [name for name in flaw.caught_by if name not in by_invariant]
        if missed:
            self._results.warnings.append(
                f"Selfcheck: {', '.join(missed)} did not catch the flawed queue {flaw.name} "
                f"in {done.cases} cases of {suite}, so a pass by the same checks proves little."
            )
        return Outcome.FAIL if missed else Outcome.PASS


def _may_step(options: Options, by: str) -> bool:
    """Whether hunts of this kind place faults of the clock where it can be moved."""
    return by == PROGRAMS and options.server.clock != WALL
