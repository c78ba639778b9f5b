"""The gate: runs its parts one after the other and combines their results into a verdict.

The parts that run the subject come first. Within a time budget each of them gets a window in a first pass, which is
short; those that were cut off continue in the time that is left. Then come the stories of the findings, and last the
parts that run midpipe's own queues. The gate emits events to a listener and never imports a report. When interrupted,
it keeps the results so far and marks the verdict as partial.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.probing import ProbeTask
from midpipe.scenarios.explore.worker import CONFIRMING_S, Task
from midpipe.scenarios.gate.budget import Budget, Window
from midpipe.scenarios.gate.options import (
    EXPLORING,
    Listener,
    LossAllowed,
    Options,
    PartBegan,
    TaskEnded,
)
from midpipe.scenarios.gate.parts.durability import Durability
from midpipe.scenarios.gate.parts.exploration import Exploration
from midpipe.scenarios.gate.parts.fuzzing import Fuzzing
from midpipe.scenarios.gate.parts.part import Part, Results
from midpipe.scenarios.gate.parts.planning import orders_of, sweep_of
from midpipe.scenarios.gate.parts.review import Review
from midpipe.scenarios.gate.parts.selfcheck import Selfcheck
from midpipe.scenarios.gate.parts.stories import Stories
from midpipe.scenarios.gate.pool import Pool
from midpipe.scenarios.gate.resume import CheckpointFile, request_of
from midpipe.scenarios.gate.summary import Run, verdict_on
from midpipe.scenarios.model.messages import (
    CaseEnded,
    FuzzBatch,
    Message,
    OnMachinesClock,
    Probed,
    Result,
)
from midpipe.scenarios.model.verdict import Extent, Outcome, PartRow, Verdict
from midpipe.scenarios.programs.registry import run_by_others
from midpipe.scenarios.queues import LIBRARIES

GRACE_S = 1.0
"""How much longer than its window a task may take before its worker is left behind."""
Resumable = Exploration | Fuzzing


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
        self._started_s = time.monotonic()
        self._ended_s: float | None = None
        self._checkpoint = CheckpointFile(options.checkpoint, request_of(options))
        self._resumed = self._checkpoint.read() if options.resumes else None
        self._budget = Budget(self._budget_s(), options.jobs)
        self._results = Results()
        self._spent: dict[str, _Spent] = {}
        self._rows: tuple[PartRow, ...] = ()
        self._stopped = ""
        self._is_clock_noted = False
        self.has_enough = False

    @property
    def has_results(self) -> bool:
        """Whether any part has a result that a report could show."""
        return bool(self._rows)

    def run(self) -> None:
        """Run every part. Raises MidpipeError; after any end, ``verdict`` gives the results so far."""
        options, results = self._options, self._results
        pool = Pool(
            options.server,
            options.jobs,
            may_abandon=self._budget.is_limited,
            judged_by=options.judged_by,
            ends_s=self._budget.end_s,
        )
        try:
            if EXPLORING & set(options.parts):
                self._probe(pool)
            self._run_parts(pool)
            if results.raised and not results.findings:
                raise SubjectError(results.raised[0])
        except BaseException:
            results.partial = True
            raise
        finally:
            pool.close()
            self._ended_s = time.monotonic()

    def _run_parts(self, pool: Pool) -> None:
        """Run the parts that run the subject, the stories of what they found, and midpipe's own queues."""
        subject_parts, own_parts = self._subject_parts(), self._own_parts()
        own_names = [part.name for part in own_parts]
        stories: Stories | None = None
        reason = ""
        try:
            try:
                self._explore(subject_parts, own_names, pool)
            finally:
                self._finish(subject_parts)
                self._write_checkpoint(subject_parts)
                stories = Stories(self._options, self._results)
            self._run(stories, pool, self._budget.stories_window(own_names))
            for number, part in enumerate(own_parts):
                window = self._budget.window(part.name, own_names[number + 1 :], groups=0)
                if window is not None and not self.has_enough:
                    self._run(part, pool, window)
            reason = self._reason_to_stop()
        except KeyboardInterrupt:
            reason = "The run was interrupted."
            raise
        finally:
            if stories is not None:
                # Every violation is a finding, even if its story was not reached.
                stories.finish()
            self._finish(own_parts)
            self._record_cut_off(reason, (*subject_parts, *filter(None, [stories]), *own_parts))

    def verdict(self, version: str, command: str, started_at: str) -> Verdict:
        """Return the verdict on the results so far.

        Args:
            started_at: UTC, ISO 8601.
        """
        seconds = round((self._ended_s or time.monotonic()) - self._started_s, 3)
        run = Run(version, command, started_at, seconds)
        return verdict_on(self._options, self._results, run, self._rows, stopped=self._stopped)

    def _budget_s(self) -> float | None:
        """Return the time budget in seconds; a run that only fuzzes has no more than what is left of its time."""
        options = self._options
        if options.parts != ("fuzz",):
            return options.time_budget_s
        left_s = options.fuzz_s - (self._resumed.spent_s if self._resumed else 0.0)
        return min(left_s, options.time_budget_s or left_s)

    def _subject_parts(self) -> tuple[Part, ...]:
        """Return the parts that run the subject."""
        options, results = self._options, self._results
        names = [name for name in options.parts if name in EXPLORING]
        results.warnings += run_by_others(names, options.programs)
        if "durability" in names and options.server.is_shared:
            names.remove("durability")
            results.warnings.append(
                f"durability was not run: midpipe did not start {results.server}, so it must not kill it."
            )
        return tuple(map(self._subject_part, names))

    def _subject_part(self, name: str) -> Part:
        options, results = self._options, self._results
        if name == "sweep":
            return sweep_of(options, results)
        if name == "durability":
            return Durability(options, results)
        if name == "fuzz":
            return Fuzzing(options, results, self._resumed)
        return orders_of(name, options, results, self._resumed)

    def _own_parts(self) -> tuple[Part, ...]:
        """Return the parts that run midpipe's own queues."""
        options, results = self._options, self._results
        parts: dict[str, Callable[[Options, Results], Part]] = {
            "selfcheck": Selfcheck,
            "review": Review,
        }
        named = options.parts if options.shard.is_first else ()
        return tuple(parts[name](options, results) for name in named if name in parts)

    def _probe(self, pool: Pool) -> None:
        """Check that the subject can be hosted before anything else runs."""
        # A queue that waits for replicas, or for the disk, can't do anything without them.
        modes = self._options.persistence if self._options.parts == ("durability",) else ()
        waited_for = all(mode.is_replicated or mode is Persistence.POWER_LOSS for mode in modes)
        needed = modes[0] if modes and waited_for else None
        probes = iter([(0, ProbeTask(self._options.subject, needed))])
        for _, message in pool.run_from(lambda: next(probes, None), self._budget.end_s):
            if isinstance(message, Probed):
                self._results.traits, self._results.server = message.traits, message.server
            self._note_clock(message)
        library = LIBRARIES.get(self._options.subject.requirement.partition("==")[0])
        if library is not None and library.settings:
            self._results.warnings.append(library.settings_sentence)
        self._budget.note_start()

    def _explore(self, parts: Sequence[Part], own: Sequence[str], pool: Pool) -> None:
        """Run the parts, each in its window; then again those that were cut off, as long as there is time."""
        waiting = list(parts)
        is_alone = len(parts) == 1 and not own
        pass_end_s = math.inf if is_alone else self._budget.first_pass_end_s()
        while waiting and not self.has_enough:
            has_run = False
            for number, part in enumerate(waiting):
                following = [*(later.name for later in waiting[number + 1 :]), *own]
                groups = len(self._results.tally.groups)
                window = self._budget.window(
                    part.name, following, groups, is_alone=is_alone, pass_end_s=pass_end_s
                )
                if window is not None and not self.has_enough:
                    self._run(part, pool, window)
                    has_run = True
            waiting = [part for part in waiting if part.queue.has_more]
            # Parts that had no room in this pass are the first in the next one, while there is much time left.
            waiting.sort(key=lambda part: part.name in self._spent)
            is_first_pass, pass_end_s = pass_end_s < math.inf, math.inf
            if not (has_run or is_first_pass) or not self._budget.is_limited:
                break

    def _run(self, part: Part, pool: Pool, window: Window) -> None:
        """Run the tasks of a part until its window is over."""
        queue = part.queue
        if not queue.has_more:
            return
        names: dict[int, str] = {}
        spent = self._spent.setdefault(part.name, _Spent())

        had_enough = self.has_enough

        def next_task() -> tuple[int, Task] | None:
            stops = window.is_over or (self.has_enough and not had_enough)
            number = None if stops else queue.next()
            if number is None:
                return None
            deadline_s = window.slice_end_s(
                queue.left_in_pass + 1, queue.least_slice_s, queue.least_share
            )
            names[number], task = part.task(number, deadline_s)
            return number, task

        self._listen(PartBegan(part.name, len(queue.not_started | queue.unfinished)))
        started_s = time.monotonic()
        try:
            abandon_s = min(window.end_s + CONFIRMING_S, self._budget.end_s) + GRACE_S
            for number, message in pool.run_from(next_task, abandon_s):
                self._take(part, number, message)
                spent.cases += isinstance(message, CaseEnded)
                if isinstance(message, Result):
                    self._listen(TaskEnded(part.name, names[number]))
                if not self.has_enough and self._has_failed():
                    self.has_enough = True
                    if part.name != "sweep":
                        # A swept program goes on to the end of its round, so that its worst finding is reported.
                        pool.cancel()
        finally:
            spent.seconds += time.monotonic() - started_s

    def _take(self, part: Part, number: int, message: Message) -> None:
        part.take(number, message)
        self._note_clock(message)
        if isinstance(message, CaseEnded):
            is_allowed = isinstance(part, Durability) and part.allows_loss(number)
            self._listen(LossAllowed(message) if is_allowed and message.violations else message)
        elif isinstance(message, FuzzBatch):
            self._listen(self._results.progress[-1])
        elif isinstance(message, Result):
            part.queue.ended(number)
        if self._checkpoint.is_due:
            self._write_checkpoint([part])

    def _note_clock(self, message: Message) -> None:
        """Add to the notes that cases run on the machine's clock: once, for every worker has the same reason."""
        if isinstance(message, OnMachinesClock) and not self._is_clock_noted:
            self._is_clock_noted = True
            self._results.warnings.append(str(message))

    def _write_checkpoint(self, parts: Sequence[Part]) -> None:
        """Write the checkpoint of a run of one part, if that can be resumed."""
        for part in parts:
            if isinstance(part, Resumable):
                self._checkpoint.write(part.checkpoint())

    def _has_failed(self) -> bool:
        """Whether the subject has a finding that ends the run."""
        least = self._options.fail_fast
        if least is None:
            return False
        return any(
            self._options.judged_by.invariants[group.invariant].severity.counts_from(least)
            for group in self._results.tally.groups
        ) or any(row.torn for row in self._results.power_loss)

    def _finish(self, parts: Sequence[Part]) -> None:
        """Let the parts that were started draw their conclusions."""
        for part in parts:
            if part.name in self._spent:
                part.finish()

    def _reason_to_stop(self) -> str:
        if self.has_enough:
            return "Stopped at the first finding because of --fail-fast."
        return "The time budget was up."

    def _record_cut_off(self, reason: str, parts: Sequence[Part]) -> None:
        """Say how much of each part was run, and what was left out."""
        left_out = {part.name: part.record_cut_off() for part in parts}
        rows = (self._row(*item) for item in left_out.items())
        self._rows = tuple(row for row in rows if row is not None)
        phrases = [self._cut_off_phrase(*item) for item in left_out.items() if item[1]]
        if phrases:
            self._results.partial = True
            self._stopped = f"{reason} Not completed: {'; '.join(phrases)}.".strip()

    def _cut_off_phrase(self, part: str, left_out: str) -> str:
        if part == Stories.name:
            return left_out
        return f"{part} ({left_out if part in self._spent else 'not begun'})"

    def _row(self, part: str, left_out: str) -> PartRow | None:
        """Return the row of a part; None for the stories, and for a part that had nothing to run."""
        if part not in self._options.parts:
            return None
        spent = self._spent.get(part)
        if spent is None:
            return PartRow(part, Outcome.UNKNOWN, Extent.NOT_BEGUN) if left_out else None
        return PartRow(
            name=part,
            outcome=self._results.parts[part],
            extent=Extent.CUT_SHORT if left_out else Extent.COMPLETE,
            cases=spent.cases,
            seconds=round(spent.seconds, 3),
            left_out=left_out,
        )


@dataclass(slots=True)
class _Spent:
    """What a part has spent so far, in all its windows."""

    cases: int = 0
    seconds: float = 0.0
