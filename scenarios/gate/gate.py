"""The gate: runs its parts one after the other and combines their results into a verdict.

It emits events to a listener and never imports a report. When interrupted, it keeps the results so far and marks the
verdict as partial.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Sequence

from midpipe.faultinject.decide.ledger import NO_FAULT, LedgerRow
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.probing import ProbeTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.gate.options import Listener, Options, PartBegan, TaskEnded
from midpipe.scenarios.gate.parts.durability import Durability
from midpipe.scenarios.gate.parts.exploration import Exploration, orders_of, sweep_of
from midpipe.scenarios.gate.parts.fuzzing import Fuzzing
from midpipe.scenarios.gate.parts.part import Part, Results
from midpipe.scenarios.gate.parts.review import Review
from midpipe.scenarios.gate.parts.selfcheck import Selfcheck
from midpipe.scenarios.gate.parts.stories import Stories
from midpipe.scenarios.gate.pool import Pool
from midpipe.scenarios.gate.resume import CheckpointFile, request_of
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.messages import CaseEnded, ExplorationProgress, FuzzBatch, Probed
from midpipe.scenarios.model.safe_text import map_text, redaction_of, safe, safe_command
from midpipe.scenarios.model.verdict import Extent, Outcome, PartRow, Status, Verdict, merge
from midpipe.scenarios.programs.registry import program_named

EXPLORING = {"sweep", "interleave", "fleet", "durability", "fuzz"}
Resumable = Exploration | Fuzzing
_MAX_INVALID_REPORTED = 3


class Gate:
    """Runs the parts and builds the verdict.

    Args:
        listen: receives every event, for progress reports.

    Raises:
        UsageError: the run is to resume another one, which left no checkpoint or had other options.

    Attributes:
        has_enough: it has stopped at the first finding, as ``options.fail_fast`` wants.
    """

    def __init__(self, options: Options, listen: Listener) -> None:
        self._options = options
        self._listen = listen
        self._checkpoint = CheckpointFile(options.checkpoint, request_of(options))
        self._resumed = self._checkpoint.read() if options.resumes else None
        self._results = Results()
        self.has_enough = False
        self._rows: dict[str, PartRow] = {}
        self._planned = options.parts
        self._not_started: list[str] = []
        self._started_s = time.monotonic()
        self._ended_s: float | None = None

    @property
    def has_results(self) -> bool:
        """Whether any part has a result that a report could show."""
        return bool(self._results.parts)

    def run(self) -> None:
        """Run every part. Raises MidpipeError; after any end, ``verdict`` gives the results so far."""
        pool = Pool(self._options.server, self._options.jobs)
        try:
            if self._explores:
                self._probe(pool)
            for make in self._parts():
                part = make()
                if self.has_enough and not isinstance(part, Stories):
                    self._record_not_started(part.name, part.tasks())
                else:
                    self._run(part, pool)
        except BaseException:
            self._results.partial = True
            raise
        finally:
            pool.close()
            if not self._results.findings:
                # The stories were not reached; every violation is a finding without one.
                Stories(self._options, self._results).finish(0.0)
            self._ended_s = time.monotonic()

    def verdict(self, version: str, command: str, started_at: str) -> Verdict:
        """Return the verdict on the results so far.

        Args:
            started_at: UTC, ISO 8601.
        """
        results = self._results
        parts = self._part_rows()
        doubts = self._doubts()
        outcome = merge(row.outcome for row in parts)
        if outcome is Outcome.PASS and (results.partial or doubts or results.tally.crashes):
            outcome = Outcome.UNKNOWN
        verdict = Verdict(
            midpipe=version,
            subject=self._options.subject.text,
            again=safe_command(shlex.split(self._options.subject.options)),
            server=results.server,
            command=command,
            started_at=started_at,
            seconds=round((self._ended_s or time.monotonic()) - self._started_s, 3),
            outcome=outcome,
            parts=parts,
            findings=results.findings,
            invariants=results.tally.invariant_rows(results.traits) if self._explores else (),
            ledger=tuple(results.ledger.values()),
            selfcheck=tuple(results.flaws),
            review=tuple(results.review),
            durability=tuple(results.durability),
            power_loss=tuple(results.power_loss),
            coverage=results.coverage,
            crashes=tuple(sorted(results.tally.crashes)),
            warnings=(*doubts, *results.warnings),
            partial=results.partial,
        )
        # The one place where text of subjects and servers enters the verdict.
        return map_text(verdict, safe(redaction_of(self._options.words_with_secrets)))

    def _doubts(self) -> tuple[str, ...]:
        """Return why a pass would not be credible: invariants never checked, invalid cases."""
        tally = self._results.tally
        if not self._explores:
            return ()
        if not tally.cases and not self.has_enough:
            return ("No case was run, so nothing is known about the subject.",)
        unseen = [
            f"{row.invariant} is unknown: {row.note}."
            for row in tally.invariant_rows(self._results.traits)
            if row.status is Status.UNKNOWN
            and not self._options.programs
            and "sweep" in self._options.parts
            and not self.has_enough
        ]
        invalid = [
            f"The case {replay!r} is invalid: {invalid_reason}."
            for replay, invalid_reason in tally.invalid[:_MAX_INVALID_REPORTED]
        ]
        if len(tally.invalid) > _MAX_INVALID_REPORTED:
            invalid.append(f"{len(tally.invalid)} cases are invalid; the ledger counts them.")
        stopped = "Stopped at the first finding because of --fail-fast. Not started: "
        not_started = [f"{stopped}{'; '.join(self._not_started)}."] if self._not_started else []
        return (*not_started, *unseen, *invalid)

    def _parts(self) -> tuple[Callable[[], Part], ...]:
        """Return a constructor for each part; a part is made when its turn comes, as it may use earlier results."""
        options, results = self._options, self._results
        deadline_s = self._started_s + (options.time_budget_s or math.inf)
        known: dict[str, Callable[[], Part]] = {
            "selfcheck": lambda: Selfcheck(options, results),
            "review": lambda: Review(options, results),
            "sweep": lambda: sweep_of(options, results, deadline_s),
            "interleave": lambda: orders_of(
                "interleave", options, results, deadline_s, self._resumed
            ),
            "fleet": lambda: orders_of("fleet", options, results, deadline_s),
            "durability": lambda: Durability(options, results, deadline_s),
            "fuzz": lambda: Fuzzing(
                options,
                results,
                deadline_s,
                self._started_s if options.parts == ("fuzz",) else None,
                self._resumed,
            ),
            "stories": lambda: Stories(options, results),
        }
        names = list(options.parts)
        if options.fail_fast is not None:
            # Parts that run midpipe's own queues come last: they say nothing about this subject.
            names.sort(key=lambda part: part not in EXPLORING)
        if "durability" in names and options.server.is_shared:
            names.remove("durability")
            results.warnings.append(
                f"durability was not run: midpipe did not start {results.server}, so it must not kill it."
            )
        self._planned = tuple(names)
        names += ["stories"] if self._explores else []
        return tuple(known[name] for name in names)

    @property
    def _explores(self) -> bool:
        """Whether the subject itself is run, and not only midpipe's own queues."""
        return bool(EXPLORING & set(self._options.parts))

    def _probe(self, pool: Pool) -> None:
        """Check that the subject can be hosted before anything else runs."""
        # A queue that waits for replicas can't do anything without one.
        modes = self._options.persistence if self._options.parts == ("durability",) else ()
        needed = modes[0] if modes and all(mode.is_replicated for mode in modes) else None
        for _, message in pool.run([ProbeTask(self._options.subject, needed)]):
            if isinstance(message, Probed):
                self._results.traits, self._results.server = message.traits, message.server

    def _run(self, part: Part, pool: Pool) -> None:
        tasks = part.tasks()
        if not tasks:
            return
        self._listen(PartBegan(part.name, len(tasks)))
        started_s = time.monotonic()
        not_started: tuple[int, ...] = ()
        cases, is_complete = 0, False
        was_partial, self._results.partial = self._results.partial, False
        try:
            for number, message in pool.run([task for _, task in tasks]):
                part.take(number, message)
                if isinstance(message, CaseEnded):
                    cases += 1
                    self._listen(message)
                elif not isinstance(message, FuzzBatch | ExplorationProgress):
                    self._listen(TaskEnded(part.name, tasks[number][0]))
                if isinstance(part, Resumable) and self._checkpoint.is_due:
                    self._checkpoint.write(part.checkpoint())
                if not self.has_enough and self._has_failed():
                    self.has_enough = self._results.partial = True
                    not_started = pool.cancel()
            is_complete = True
        finally:
            seconds = time.monotonic() - started_s
            part.finish(seconds)
            is_complete = is_complete and not self._results.partial
            self._results.partial = self._results.partial or was_partial
            self._record(part.name, cases, seconds, is_complete=is_complete)
            if isinstance(part, Resumable):
                self._checkpoint.write(part.checkpoint())
        started = {name for number, (name, _) in enumerate(tasks) if number not in not_started}
        self._record_not_started(part.name, [task for task in tasks if task[0] not in started])

    def _record(self, part: str, cases: int, seconds: float, *, is_complete: bool) -> None:
        outcome = self._results.parts.get(part)
        if outcome is not None:
            extent = Extent.COMPLETE if is_complete else Extent.CUT_SHORT
            self._rows[part] = PartRow(part, outcome, extent, cases, round(seconds, 3))

    def _part_rows(self) -> tuple[PartRow, ...]:
        """Return a row for each planned part, also for those that an interruption left out."""
        missing = [
            PartRow(name, Outcome.UNKNOWN, Extent.NOT_BEGUN)
            for name in self._planned
            if name not in self._rows and self._results.partial
        ]
        rows = {row.name: row for row in (*missing, *self._rows.values())}
        return tuple(rows[name] for name in self._options.parts if name in rows)

    def _has_failed(self) -> bool:
        """Whether the subject has a finding that ends the run."""
        least = self._options.fail_fast
        if least is None:
            return False
        return any(
            INVARIANTS[group.invariant].severity.counts_from(least)
            for group in self._results.tally.groups
        ) or any(row.torn for row in self._results.power_loss)

    def _record_not_started(self, part: str, tasks: Sequence[tuple[str, Task]]) -> None:
        """Record what is not started any more. Of a program one case is known to exist: the one without faults."""
        programs = {
            name: LedgerRow(
                program=name,
                fault=NO_FAULT,
                space=1,
                run=0,
                pruned=0,
                pruned_by={},
                not_reached=1,
                invalid=0,
                violated=0,
            )
            for name, task in tasks
            if isinstance(task, SweepTask | InterleaveTask)
            and self._results.traits
            and not missing_for(program_named(name), task.subject, self._results.traits)
        }
        is_started = part in self._results.parts
        if programs or (tasks and not is_started):
            self._not_started.append(f"{len(programs)} programs of {part}" if is_started else part)
        for name, row in programs.items():
            self._results.ledger.setdefault((name, NO_FAULT), row)
