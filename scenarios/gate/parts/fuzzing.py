"""The fuzzing part: every worker fuzzes from a seed of its own until the time is up. Keeps examples and checkpoints."""

from __future__ import annotations

import time
from collections import Counter

from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.scenarios.explore.tasks import FuzzBatch, FuzzDone, FuzzTask, Message, Task
from midpipe.scenarios.fuzz.examples import Example, example_file, read_examples, write_examples
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.tally import Found, Kind
from midpipe.scenarios.model.checkpoint import (
    Checkpoint,
    SavedFind,
    read_checkpoint,
    write_checkpoint,
)
from midpipe.scenarios.model.coverage import Coverage
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.verdict import Figure, Outcome, merge

PROGRAM = "written at random"
CHECKPOINT_EVERY_S = 10.0
_SEED_DISTANCE = 1_000_000
_MAX_REPORTED = 3


class Fuzzing:
    """Runs examples for ``options.fuzz_s`` seconds on every worker.

    Args:
        begun_s: on the monotonic clock, when its time started; None is now.
        deadline_s: on the same clock; no example is started after it, even if ``options.fuzz_s`` is not up.

    Raises:
        UsageError: there is no run to resume, or it had other options.
    """

    name = "fuzz"

    def __init__(
        self, options: Options, results: Results, deadline_s: float, begun_s: float | None = None
    ) -> None:
        self._options = options
        self._results = results
        self._deadline_s = deadline_s
        self._cases: Counter[str] = Counter()
        self._invalid: Counter[str] = Counter()
        self._violated: Counter[str] = Counter()
        self._coverage = Coverage()
        self._sometimes: Counter[str] = Counter()
        self._nondeterministic: dict[str, str] = {}
        self._stale: set[str] = set()
        jobs = max(1, options.jobs)
        self._next_seeds = [options.seed + number * _SEED_DISTANCE for number in range(jobs)]
        self._spent_s, self._done = 0.0, 0
        self._saved_s = time.monotonic()
        self._begun_s = self._saved_s if begun_s is None else begun_s
        if options.resumes and options.checkpoint is not None:
            self._resume(read_checkpoint(options.checkpoint, options.subject.options, jobs))

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        options = self._options
        left_s = max(0.0, options.fuzz_s - self._spent_s)
        deadline_s = min(self._deadline_s, self._begun_s + left_s)
        self._results.stories_deadline_s = deadline_s if options.parts == (self.name,) else None
        known = [example.replay for example in self._known()]
        jobs = len(self._next_seeds)
        return tuple(
            (
                f"seed {seed}",
                FuzzTask(
                    options.subject,
                    seed,
                    options.latency_bound_ms,
                    deadline_s,
                    examples=tuple(known[number::jobs]),
                ),
            )
            for number, seed in enumerate(self._next_seeds)
        )

    def take(self, number: int, message: Message) -> None:
        if isinstance(message, CaseEnded):
            kinds = len(self._results.tally.found)
            self._results.tally.add(message)
            label = f"{message.fault} (sampled)"
            self._cases[label] += 1
            self._invalid[label] += not message.valid
            self._violated[label] += bool(message.violations)
            if len(self._results.tally.found) > kinds:
                self._keep_examples()
        elif isinstance(message, FuzzDone):
            self._done += 1
        elif isinstance(message, FuzzBatch):
            self._coverage.merge(message.coverage)
            self._sometimes.update(message.sometimes)
            self._nondeterministic.update(dict(message.nondeterministic))
            self._stale.update(message.stale)
            self._next_seeds[number] = message.next_seed
            if time.monotonic() - self._saved_s > CHECKPOINT_EVERY_S:
                self._save()

    def finish(self, seconds: float) -> None:
        results = self._results
        total = self._cases.total()
        outcomes = [Outcome.PASS] if total else []
        outcomes += [Outcome.FAIL] if self._violated.total() else []
        outcomes += [Outcome.UNKNOWN] if self._invalid.total() or self._nondeterministic else []
        for event, count in sorted(self._sometimes.items()):
            if not count:
                outcomes.append(Outcome.UNKNOWN)
                results.warnings.append(
                    f"In {total} examples it never happened that {event}, so the fuzzing proves little. "
                    "Give it more time."
                )
        results.warnings += self._doubts()
        results.parts[self.name] = merge(outcomes)
        results.coverage = self._coverage.rows()
        results.figures += self._figures(total, seconds)
        for label, count in sorted(self._cases.items()):
            invalid = self._invalid[label]
            results.ledger[PROGRAM, label] = LedgerRow(
                PROGRAM, label, count, count - invalid, 0, (), 0, invalid, self._violated[label]
            )
        if self._stale:
            self._keep_examples()
        self._end_checkpoint()

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

    def _figures(self, total: int, seconds: float) -> list[Figure]:
        coverage = self._coverage
        estimate = round(coverage.new_in_a_further_case, 3) if coverage.examples else 0.0
        return [
            Figure("fuzz: examples", float(total), "cases"),
            Figure("fuzz: time", round(self._spent_s + seconds, 1), "s"),
            Figure("fuzz: cases per second", round(total / seconds, 1) if seconds else 0.0, "1/s"),
            Figure("fuzz: combinations seen", float(coverage.seen), "combinations"),
            Figure(
                "fuzz: combinations known to be possible", float(coverage.known), "combinations"
            ),
            Figure("fuzz: new combinations in a further case", estimate, "combinations"),
            *(
                Figure(f"fuzz: {event}", float(count), "cases")
                for event, count in sorted(self._sometimes.items())
            ),
        ]

    # --- files -----------------------------------------------------------------------------------------

    def _known(self) -> tuple[Example, ...]:
        directory = self._options.examples
        return read_examples(example_file(directory, self._options.subject)) if directory else ()

    def _keep_examples(self) -> None:
        """Add the new failing examples to the file, and drop those that no longer fit the subject."""
        options = self._options
        if options.examples is None:
            return
        found = [
            Example(known.replay, f"{kind.invariant} in {kind.method}; {known.blob}".rstrip("; "))
            for kind, known in self._results.tally.kinds()
        ]
        kept = [example for example in self._known() if example.replay not in self._stale]
        write_examples(
            example_file(options.examples, options.subject), options.subject, [*kept, *found]
        )

    def _save(self) -> None:
        if self._options.checkpoint is None:
            return
        self._saved_s = time.monotonic()
        write_checkpoint(self._options.checkpoint, self._checkpoint())

    def _end_checkpoint(self) -> None:
        """Delete the checkpoint of a completed run; an interrupted run keeps its last state."""
        if self._done < len(self._next_seeds):
            self._save()
        elif self._options.checkpoint is not None:
            self._options.checkpoint.unlink(missing_ok=True)

    def _checkpoint(self) -> Checkpoint:
        options, tally, coverage = self._options, self._results.tally, self._coverage
        return Checkpoint(
            subject=options.subject.options,
            seed=options.seed,
            budget_s=options.fuzz_s,
            spent_s=self._spent_s + time.monotonic() - self._begun_s,
            next_seeds=tuple(self._next_seeds),
            examples=coverage.examples,
            cases={
                label: (count, self._invalid[label], self._violated[label])
                for label, count in self._cases.items()
            },
            sometimes=dict(self._sometimes),
            coverage=tuple((place, fault, n) for (place, fault), n in coverage.cases.items()),
            possible=tuple((p, tuple(sorted(faults))) for p, faults in coverage.possible.items()),
            found=tuple(
                SavedFind(
                    kind.invariant,
                    kind.method,
                    found.replay,
                    found.program,
                    found.faults,
                    found.evidence,
                    found.cases,
                    found.blob,
                )
                for kind, found in tally.found.items()
            ),
            violations=dict(tally.violations),
            observations=dict(tally.observations),
            nondeterministic=tuple(self._nondeterministic.items()),
        )

    def _resume(self, saved: Checkpoint) -> None:
        tally = self._results.tally
        self._next_seeds = list(saved.next_seeds)
        self._spent_s = saved.spent_s
        for label, (count, invalid, violated) in saved.cases.items():
            self._cases[label] += count
            self._invalid[label] += invalid
            self._violated[label] += violated
        self._sometimes.update(saved.sometimes)
        self._nondeterministic.update(dict(saved.nondeterministic))
        self._coverage.cases.update({(place, fault): n for place, fault, n in saved.coverage})
        self._coverage.possible.update({place: frozenset(f) for place, f in saved.possible})
        self._coverage.examples = saved.examples
        tally.violations.update(saved.violations)
        tally.observations.update(saved.observations)
        for found in saved.found:
            tally.found[Kind(found.invariant, found.method)] = Found(
                found.replay,
                found.program,
                found.faults,
                found.evidence,
                found.cases,
                found.blob,
            )
