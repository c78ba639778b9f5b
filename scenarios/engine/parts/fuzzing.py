"""Fuzzing as a part: a seed for each worker, until the time is up; and whether the run met what it must meet."""

from __future__ import annotations

import time
from collections import Counter

from scenarios.coverage import Coverage
from scenarios.engine.explore import CaseEnded
from scenarios.engine.options import Options
from scenarios.engine.parts.part import Gathered
from scenarios.engine.tasks import FuzzBatch, FuzzTask, Message, Task
from scenarios.verdict import Figure, LedgerRow, Outcome, merge

PROGRAM = "written at random"
_SEEDS_APART = 1_000_000


class Fuzzing:
    """Runs examples for ``options.fuzz_s`` seconds on every worker."""

    name = "fuzz"

    def __init__(self, options: Options, got: Gathered, deadline_s: float) -> None:
        self._options = options
        self._got = got
        self._deadline_s = deadline_s
        self._cases: Counter[str] = Counter()
        self._invalid: Counter[str] = Counter()
        self._violated: Counter[str] = Counter()
        self._coverage = Coverage()
        self._sometimes: Counter[str] = Counter()

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        options = self._options
        deadline_s = min(self._deadline_s, time.monotonic() + options.fuzz_s)
        return tuple(
            (
                f"seed {seed}",
                FuzzTask(options.subject, seed, options.latency_bound_ms, deadline_s),
            )
            for seed in (
                options.seed + number * _SEEDS_APART for number in range(max(1, options.jobs))
            )
        )

    def take(self, number: int, message: Message) -> None:
        if isinstance(message, CaseEnded):
            self._got.tally.add(message)
            label = f"{message.fault} (sampled)"
            self._cases[label] += 1
            self._invalid[label] += not message.valid
            self._violated[label] += bool(message.violations)
        elif isinstance(message, FuzzBatch):
            self._coverage.merge(message.coverage)
            self._sometimes.update(message.sometimes)

    def finish(self, seconds: float) -> None:
        got = self._got
        total = self._cases.total()
        outcomes = [Outcome.PASS] if total else []
        outcomes += [Outcome.FAIL] if self._violated.total() else []
        outcomes += [Outcome.UNKNOWN] if self._invalid.total() else []
        for happening, count in sorted(self._sometimes.items()):
            if not count:
                outcomes.append(Outcome.UNKNOWN)
                got.warnings.append(
                    f"In {total} examples it never happened that {happening}, so the fuzzing proves little. "
                    "Give it more time."
                )
        got.parts[self.name] = merge(outcomes)
        got.figures += [
            Figure("fuzz: examples", float(total), "cases"),
            Figure("fuzz: cases per second", round(total / seconds, 1) if seconds else 0.0, "1/s"),
            Figure("fuzz: combinations covered", float(self._coverage.seen), "combinations"),
            *(
                Figure(f"fuzz: {happening}", float(count), "cases")
                for happening, count in sorted(self._sometimes.items())
            ),
        ]
        for label, count in sorted(self._cases.items()):
            invalid = self._invalid[label]
            got.ledger[PROGRAM, label] = LedgerRow(
                PROGRAM, label, count, count - invalid, 0, (), 0, invalid, self._violated[label]
            )
