"""The gate: its parts one after the other, put together as a verdict.

It emits what happens to a listener and never imports a report. Interrupted, it keeps what it has and marks
the verdict partial.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from midpipe.faultinject.decide.ledger import NO_FAULT
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.explore.explore import CaseEnded
from midpipe.scenarios.explore.tasks import (
    ExplorationProgress,
    FuzzBatch,
    InterleaveTask,
    Probed,
    ProbeTask,
    SweepTask,
    Task,
)
from midpipe.scenarios.gate.options import Listener, Options, PartBegan, TaskEnded
from midpipe.scenarios.gate.parts.durability import Durability
from midpipe.scenarios.gate.parts.exploration import Exploration, orders_of, sweep_of
from midpipe.scenarios.gate.parts.fuzzing import Fuzzing
from midpipe.scenarios.gate.parts.part import Gathered, Part
from midpipe.scenarios.gate.parts.review import Review
from midpipe.scenarios.gate.parts.selfcheck import Selfcheck
from midpipe.scenarios.gate.parts.stories import Stories
from midpipe.scenarios.gate.pool import Pool
from midpipe.scenarios.gate.resume import Stopped, asked_by
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.verdict import LedgerRow, Outcome, Status, Verdict, merge
from midpipe.scenarios.programs.registry import program_named

EXPLORING = {"sweep", "interleave", "fleet", "durability", "fuzz"}
_MOST_INVALID_TOLD = 3


class Gate:
    """Runs the parts and puts the verdict together.

    Args:
        listen: told of every event, for progress.
        stopped: an earlier run of orders, to go on with.

    Attributes:
        has_enough: it stopped at the first finding, as it was asked to.
    """

    def __init__(self, options: Options, listen: Listener, stopped: Stopped | None = None) -> None:
        self._options = options
        self._listen = listen
        self._resumed = stopped
        self._orders: Exploration | None = None
        self._got = Gathered()
        self.has_enough = False
        self._left: list[str] = []
        self._begun_s = time.monotonic()
        self._ended_s: float | None = None

    @property
    def has_results(self) -> bool:
        """Whether anything was obtained that a report could show."""
        return bool(self._got.parts)

    def run(self) -> None:
        """Run every part. Raises MidpipeError; whatever ends it early, ``verdict`` tells what was obtained."""
        pool = Pool(self._options.server, self._options.jobs)
        try:
            if self._explores:
                self._probe(pool)
            for make in self._parts():
                part = make()
                if self.has_enough and not isinstance(part, Stories):
                    self._leave(part.name, part.tasks())
                else:
                    self._run(part, pool)
        except BaseException:
            self._got.partial = True
            raise
        finally:
            pool.close()
            self._ended_s = time.monotonic()

    def stopped(self) -> Stopped | None:
        """Return what a later run of orders can go on from; None if nothing of it is left."""
        return self._orders.stopped(asked_by(self._options)) if self._orders else self._resumed

    def _interleave(self, deadline_s: float) -> Exploration:
        self._orders = orders_of("interleave", self._options, self._got, deadline_s, self._resumed)
        return self._orders

    def verdict(self, version: str, command: str, started_at: str) -> Verdict:
        """Return the verdict on what was obtained.

        Args:
            started_at: UTC, ISO 8601.
        """
        got = self._got
        if not got.findings:
            Stories(self._options, got).finish(0.0)
        parts = tuple((part, got.parts[part]) for part in self._options.parts if part in got.parts)
        doubts = self._doubts()
        outcome = merge(result for _, result in parts)
        if outcome is Outcome.PASS and (got.partial or doubts):
            outcome = Outcome.UNKNOWN
        return Verdict(
            midpipe=version,
            subject=self._options.subject.text,
            again=self._options.subject.options,
            server=got.server,
            command=command,
            started_at=started_at,
            seconds=round((self._ended_s or time.monotonic()) - self._begun_s, 3),
            outcome=outcome,
            parts=parts,
            findings=got.findings,
            invariants=got.tally.invariant_rows(got.traits) if self._explores else (),
            ledger=tuple(got.ledger.values()),
            selfcheck=tuple(got.flaws),
            review=tuple(got.review),
            durability=tuple(got.durability),
            power_loss=tuple(got.power_loss),
            coverage=got.coverage,
            figures=tuple(got.figures),
            warnings=(*doubts, *got.warnings),
            partial=got.partial,
        )

    def _doubts(self) -> tuple[str, ...]:
        """Return why a pass could not be believed: what no case looked at, what was invalid, what crashed."""
        tally = self._got.tally
        if not self._explores:
            return ()
        if not tally.cases and not self.has_enough:
            return ("No case was run, so nothing is known of the subject.",)
        unseen = [
            f"{row.invariant} is unknown: {row.note}."
            for row in tally.invariant_rows(self._got.traits)
            if row.status is Status.UNKNOWN
            and not self._options.programs
            and "sweep" in self._options.parts
            and not self.has_enough
        ]
        invalid = [
            f"The case {replay!r} is invalid: {invalid_reason}."
            for replay, invalid_reason in tally.invalid[:_MOST_INVALID_TOLD]
        ]
        if len(tally.invalid) > _MOST_INVALID_TOLD:
            invalid.append(f"{len(tally.invalid)} cases are invalid; the ledger counts them.")
        stopped = "Stopped at the first finding, as --fail-fast asks. Not begun: "
        left = [f"{stopped}{'; '.join(self._left)}."] if self._left else []
        return (*left, *unseen, *invalid, *sorted(tally.crashed))

    def _parts(self) -> tuple[Callable[[], Part], ...]:
        """Return what makes each part when its turn has come: a later one builds on what an earlier one got."""
        options, got = self._options, self._got
        deadline_s = self._begun_s + (options.time_budget_s or math.inf)
        known: dict[str, Callable[[], Part]] = {
            "selfcheck": lambda: Selfcheck(options, got),
            "review": lambda: Review(options, got),
            "sweep": lambda: sweep_of(options, got, deadline_s),
            "interleave": lambda: self._interleave(deadline_s),
            "fleet": lambda: orders_of("fleet", options, got, deadline_s),
            "durability": lambda: Durability(options, got, deadline_s),
            "fuzz": lambda: Fuzzing(
                options, got, deadline_s, self._begun_s if options.parts == ("fuzz",) else None
            ),
            "stories": lambda: Stories(options, got),
        }
        asked = list(options.parts)
        if options.fail_fast is not None:
            # What looks at midpipe's own queues can wait: it has nothing to say about this one.
            asked.sort(key=lambda part: part not in EXPLORING)
        if "durability" in asked and options.server.is_shared:
            asked.remove("durability")
            got.warnings.append(
                f"durability: does not apply to {got.server}, which is not midpipe's to kill."
            )
        names = [*asked, *(["stories"] if self._explores else [])]
        return tuple(known[name] for name in names)

    @property
    def _explores(self) -> bool:
        """Whether the subject is run, not only midpipe's own queues."""
        return bool(EXPLORING & set(self._options.parts))

    def _probe(self, pool: Pool) -> None:
        """Find out at once whether the subject works, not after everything else has run."""
        # A queue that waits for replicas can't do a thing without one.
        modes = self._options.persistence if self._options.parts == ("durability",) else ()
        needed = modes[0] if modes and all(mode.is_replicated for mode in modes) else None
        for _, message in pool.run([ProbeTask(self._options.subject, needed)]):
            if isinstance(message, Probed):
                self._got.traits, self._got.server = message.traits, message.server

    def _run(self, part: Part, pool: Pool) -> None:
        tasks = part.tasks()
        if not tasks:
            return
        self._listen(PartBegan(part.name, len(tasks)))
        begun_s = time.monotonic()
        left: tuple[int, ...] = ()
        try:
            for number, message in pool.run([task for _, task in tasks]):
                part.take(number, message)
                if isinstance(message, CaseEnded):
                    self._listen(message)
                elif not isinstance(message, FuzzBatch | ExplorationProgress):
                    self._listen(TaskEnded(part.name, tasks[number][0]))
                if not self.has_enough and self._has_failed():
                    self.has_enough = self._got.partial = True
                    left = pool.call_off()
        finally:
            part.finish(time.monotonic() - begun_s)
        begun = {name for number, (name, _) in enumerate(tasks) if number not in left}
        self._leave(part.name, [task for task in tasks if task[0] not in begun])

    def _has_failed(self) -> bool:
        """Whether the subject has a finding that is to end the run."""
        least = self._options.fail_fast
        if least is None:
            return False
        return any(
            INVARIANTS[kind.invariant].severity.counts_from(least) for kind in self._got.tally.found
        ) or any(row.torn for row in self._got.power_loss)

    def _leave(self, part: str, tasks: Sequence[tuple[str, Task]]) -> None:
        """Write down what is not begun any more; of a program one case is known, that without faults."""
        programs = {
            name: LedgerRow(name, NO_FAULT, 1, 0, 0, (), 1, 0, 0)
            for name, task in tasks
            if isinstance(task, SweepTask | InterleaveTask)
            and self._got.traits
            and not missing_for(program_named(name), task.subject, self._got.traits)
        }
        is_begun = part in self._got.parts
        if programs or (tasks and not is_begun):
            self._left.append(f"{len(programs)} programs of {part}" if is_begun else part)
        for name, row in programs.items():
            self._got.ledger.setdefault((name, NO_FAULT), row)
