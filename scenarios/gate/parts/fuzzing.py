"""The fuzzing part: every worker fuzzes from a seed of its own until the time is up. Keeps failing examples."""

from __future__ import annotations

import time
from collections import Counter

from midpipe.faultinject.decide.ledger import Ledger
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.fuzz.examples import Example, example_file, read_examples, write_examples
from midpipe.scenarios.fuzz.task import FuzzTask
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.resume import Checkpoint, FuzzState, request_of
from midpipe.scenarios.gate.task_queue import TaskQueue
from midpipe.scenarios.model.coverage import Coverage
from midpipe.scenarios.model.messages import CaseEnded, FuzzBatch, FuzzDone, Message
from midpipe.scenarios.model.progress import ProgressRow, with_row
from midpipe.scenarios.model.verdict import FuzzCoverage, Outcome, merge

PROGRAM = "written at random"
LEAST_SLICE_S = 1.0
UNUSED_SHARE = 0.5
"""A task that leaves more than this share of its time was stopped early, so it is queued again. A smaller share is what
a task reserves for shrinking."""
_SEED_DISTANCE = 1_000_000
_MAX_REPORTED = 3


class Fuzzing:
    """Runs examples for ``options.fuzz_s`` seconds on every worker.

    Args:
        resumed: the checkpoint of an earlier run to resume.

    Raises:
        UsageError: the corpus can't be used.
    """

    name = "fuzz"

    def __init__(
        self,
        options: Options,
        results: Results,
        resumed: Checkpoint | None = None,
    ) -> None:
        if options.corpus:
            # Hypothesis takes a third of a second to load.
            from midpipe.scenarios.fuzz.corpus import Corpus

            Corpus(options.corpus, options.subject).finds()
        self._options = options
        self._results = results
        self._stale: set[str] = set()
        self._spent_before_s = resumed.spent_s if resumed else 0.0
        state = (resumed.fuzz if resumed else None) or _initial(options)
        self._next_seeds = list(state.next_seeds)
        self._ledger = state.ledger
        self._sometimes = Counter(state.sometimes)
        self._nondeterministic = dict(state.nondeterministic)
        self._has_unconfirmed = False
        self._coverage = Coverage(
            cases=Counter({(place, fault): n for place, fault, n in state.coverage}),
            possible={place: frozenset(faults) for place, faults in state.possible},
            examples=state.examples,
        )
        self.queue = TaskQueue(len(self._next_seeds), LEAST_SLICE_S)
        self._spent = [_Spent() for _ in self._next_seeds]
        if resumed:
            results.tally = resumed.tally

    def task(self, number: int, deadline_s: float) -> tuple[str, Task]:
        spent = self._spent[number]
        examples = () if spent.tasks else self._examples_for(number)
        spent.start()
        seed = self._next_seeds[number]
        task = FuzzTask(
            subject=self._options.subject,
            seed=seed,
            latency_bound_ms=self._options.latency_bound_ms,
            deadline_s=deadline_s,
            time_s=self._left_s(number),
            examples=examples,
            corpus=self._options.corpus,
        )
        return f"seed {seed}", task

    def _left_s(self, number: int) -> float:
        return max(0.0, self._options.fuzz_s - self._spent_before_s - self._spent[number].seconds)

    def _examples_for(self, number: int) -> tuple[str, ...]:
        known = [example.replay for example in self._known()]
        return tuple(known[number :: len(self._next_seeds)])

    def take(self, number: int, message: Message) -> None:
        if isinstance(message, CaseEnded):
            groups = len(self._results.tally.groups)
            self._results.tally.add(message)
            self._has_unconfirmed |= bool(message.unconfirmed)
            label = f"{message.fault} (sampled)"
            self._ledger.planned(label)
            self._ledger.ended(label, valid=message.valid, violated=bool(message.violations))
            if len(self._results.tally.groups) > groups:
                self._keep_examples()
        elif isinstance(message, FuzzDone):
            self._spent[number].stop()
            if self._left_s(number) > UNUSED_SHARE * self._options.fuzz_s:
                self.queue.put_back(number)
        elif isinstance(message, FuzzBatch):
            self._coverage.merge(message.coverage)
            self._sometimes.update(message.sometimes)
            self._nondeterministic.update(dict(message.nondeterministic))
            self._stale.update(message.stale)
            if message.not_shared:
                self._results.warnings.append(f"Fuzzing went on alone: {message.not_shared}")
            self._next_seeds[number] = message.next_seed
            self._results.progress = with_row(self._results.progress, self._now())

    def _now(self) -> ProgressRow:
        return ProgressRow(
            seconds=round(self._spent_s, 1),
            cases=self._results.tally.cases,
            kinds=len(self._results.tally.groups),
            combinations=self._coverage.seen,
        )

    @property
    def _spent_s(self) -> float:
        return self._spent_before_s + max(spent.seconds for spent in self._spent)

    def record_cut_off(self) -> str:
        if not self.queue.not_started and not self.queue.unfinished:
            return ""
        left_s = max(map(self._left_s, range(len(self._spent))))
        return f"{left_s:.1f} of {self._options.fuzz_s:g} s left"

    def finish(self) -> None:
        results = self._results
        rows = self._ledger.rows(PROGRAM)
        total = sum(row.space for row in rows)
        outcomes = [Outcome.PASS] if total else []
        outcomes += [Outcome.FAIL] if any(row.violated for row in rows) else []
        is_unknown = self._nondeterministic or self._has_unconfirmed
        if is_unknown or any(row.invalid for row in rows):
            outcomes.append(Outcome.UNKNOWN)
        for event, count in sorted(self._sometimes.items()):
            if not count and self._options.shard.is_whole:
                outcomes.append(Outcome.UNKNOWN)
                results.warnings.append(
                    f"In {total} examples it never happened that {event}, so the fuzzing proves little. "
                    "Give it more time."
                )
        if not total and self._spent_s:
            results.warnings.append(
                f"Fuzzing completed no example in {self._spent_s:.1f} s, so it shows nothing. "
                f"Give it more time with {'--time-budget' if self._options.time_budget_s else '--fuzz'}."
            )
        results.warnings += self._doubts()
        results.parts[self.name] = merge(outcomes)
        results.coverage = self._fuzz_coverage()
        for row in sorted(rows, key=lambda row: row.fault):
            results.ledger[row.program, row.fault] = row
        if self._stale:
            self._keep_examples()

    def _doubts(self) -> list[str]:
        doubts = [
            f"{replay!r} was run twice and differed: {where}. The subject is nondeterministic there."
            for replay, where in sorted(self._nondeterministic.items())[:_MAX_REPORTED]
        ]
        if len(self._nondeterministic) > _MAX_REPORTED:
            doubts.append(
                f"{len(self._nondeterministic)} examples in total differed when they were run twice."
            )
        if self._stale:
            doubts.append(
                f"{len(self._stale)} examples of earlier runs no longer fit the subject and were dropped."
            )
        return doubts

    def _fuzz_coverage(self) -> FuzzCoverage:
        coverage = self._coverage
        estimate = round(coverage.new_in_a_further_case, 3) if coverage.examples else 0.0
        return FuzzCoverage(coverage.rows(), estimate, tuple(sorted(self._sometimes.items())))

    def _known(self) -> tuple[Example, ...]:
        directory = self._options.examples
        return read_examples(example_file(directory, self._options.subject)) if directory else ()

    def _keep_examples(self) -> None:
        """Add the new failing examples to the file, and drop those that no longer fit the subject."""
        options = self._options
        if options.examples is None:
            return
        found = [
            Example(group.replay, f"{group.invariant} in {group.method}; {group.blob}".rstrip("; "))
            for group in self._results.tally.ranked(options.judged_by.invariants)
        ]
        kept = [example for example in self._known() if example.replay not in self._stale]
        write_examples(
            example_file(options.examples, options.subject), options.subject, [*kept, *found]
        )

    def checkpoint(self) -> Checkpoint | None:
        """Return the state that a later run can resume; None if every worker has used up its time."""
        if not self.queue.not_started and not self.queue.unfinished:
            return None
        coverage = self._coverage
        return Checkpoint(
            request=request_of(self._options),
            spent_s=self._spent_s,
            tally=self._results.tally,
            fuzz=FuzzState(
                next_seeds=tuple(self._next_seeds),
                ledger=self._ledger,
                sometimes=dict(self._sometimes),
                nondeterministic=self._nondeterministic,
                examples=coverage.examples,
                coverage=tuple((place, fault, n) for (place, fault), n in coverage.cases.items()),
                possible=tuple(
                    (place, tuple(sorted(faults))) for place, faults in coverage.possible.items()
                ),
            ),
        )


class _Spent:
    """How long a worker has fuzzed, in all its tasks.

    Attributes:
        tasks: number of tasks started.
    """

    def __init__(self) -> None:
        self.tasks = 0
        self._ended_s = 0.0
        self._started_s: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        running_s = 0.0 if self._started_s is None else time.monotonic() - self._started_s
        return self._ended_s + running_s

    def start(self) -> None:
        """A task starts now."""
        self.tasks += 1
        self._started_s = time.monotonic()

    def stop(self) -> None:
        """The task has ended."""
        self._ended_s = self.seconds
        self._started_s = None


def _initial(options: Options) -> FuzzState:
    """Return the state before the first example."""
    shares = options.shard.shares(max(1, options.jobs))
    seeds = (options.seed + number * _SEED_DISTANCE for number, _ in shares)
    return FuzzState(
        next_seeds=tuple(seeds),
        ledger=Ledger(),
        sometimes={},
        nondeterministic={},
        examples=0,
        coverage=(),
        possible=(),
    )
