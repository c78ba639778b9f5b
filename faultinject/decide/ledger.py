"""The ledger: of everything planned, what ran, what was left out and by which rule, what was never reached.

A pass means no more than its ledger. Rows are kept per fault; ``none`` is the fault-free run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

NO_FAULT = "none"


@dataclass(frozen=True, slots=True)
class LedgerCount:
    """Counts of one fault, in cases: ``space = run + pruned + not_reached + invalid``."""

    fault: str
    space: int
    run: int
    pruned: int
    pruned_by: tuple[str, ...]
    not_reached: int
    invalid: int
    violated: int


@dataclass(slots=True)
class Ledger:
    """Counts as a run goes on."""

    _space: Counter[str] = field(default_factory=Counter)
    _run: Counter[str] = field(default_factory=Counter)
    _invalid: Counter[str] = field(default_factory=Counter)
    _violated: Counter[str] = field(default_factory=Counter)
    _pruned: dict[str, Counter[str]] = field(default_factory=dict)

    @classmethod
    def counted(cls, counts: Iterable[LedgerCount]) -> Ledger:
        """Return a ledger that goes on from these counts. How many each single rule left out is not kept apart."""
        ledger = cls()
        for count in counts:
            ledger._space[count.fault] = count.space
            ledger._run[count.fault] = count.run
            ledger._invalid[count.fault] = count.invalid
            ledger._violated[count.fault] = count.violated
            if count.pruned_by:
                by_rule = Counter(dict.fromkeys(count.pruned_by, 0))
                by_rule[count.pruned_by[0]] = count.pruned
                ledger._pruned[count.fault] = by_rule
        return ledger

    def planned(self, fault: str) -> None:
        """A case with this fault belongs to the space and is to be run."""
        self._space[fault] += 1

    def pruned(self, fault: str, rule: str) -> None:
        """A case with this fault belongs to the space and is left out by a rule."""
        self._space[fault] += 1
        self._pruned.setdefault(fault, Counter())[rule] += 1

    def left_out(self, fault: str, rule: str) -> None:
        """A planned case is not run after all, by a rule."""
        self._pruned.setdefault(fault, Counter())[rule] += 1

    def ended(self, fault: str, *, valid: bool, violated: bool) -> None:
        """A planned case was run."""
        (self._run if valid else self._invalid)[fault] += 1
        if violated:
            self._violated[fault] += 1

    def counts(self) -> tuple[LedgerCount, ...]:
        """Return a row per fault, in the order in which they were first planned."""
        return tuple(self._count(fault) for fault in self._space)

    def _count(self, fault: str) -> LedgerCount:
        pruned = self._pruned.get(fault, Counter())
        left_out = sum(pruned.values())
        done = self._run[fault] + self._invalid[fault]
        return LedgerCount(
            fault=fault,
            space=self._space[fault],
            run=self._run[fault],
            pruned=left_out,
            pruned_by=tuple(sorted(pruned)),
            not_reached=self._space[fault] - left_out - done,
            invalid=self._invalid[fault],
            violated=self._violated[fault],
        )
