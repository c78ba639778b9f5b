"""The ledger: of all planned cases, how many ran, were pruned and by which rule, and were never reached.

A pass is worth no more than its ledger. There is a row per fault; ``none`` is the case without faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import StrEnum

NO_FAULT = "none"


class Covered(StrEnum):
    """What became of the cases with one fault at one place; the first that applies, in this order."""

    VIOLATED = "violated"
    INVALID = "invalid"
    NOT_REACHED = "not reached"
    RUN = "run"
    PRUNED = "pruned"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """Numbers of cases for one fault in one program. ``space = run + pruned + not_reached + invalid``.

    Args:
        space: all cases within the stated bound.
        run: valid cases that were run.
        pruned: cases left out because their result is known from other cases.
        pruned_by: how many of them each pruning rule left out.
        not_reached: planned cases that were not run because of the time budget or an interruption.
        invalid: cases that could not be judged, for example because the planned fault did not fire.
        violated: cases among ``run`` that violated an invariant.
        places: by place (``A2:HSET``), what became of the cases with this fault there; empty for ``none``, for several
            faults, and for programs that are generated.
    """

    program: str
    fault: str
    space: int
    run: int
    pruned: int
    pruned_by: Mapping[str, int]
    not_reached: int
    invalid: int
    violated: int
    places: Mapping[str, Covered] = field(default_factory=dict)

    @property
    def covered(self) -> Covered:
        """What became of its cases."""
        counts = {
            Covered.VIOLATED: self.violated,
            Covered.INVALID: self.invalid,
            Covered.NOT_REACHED: self.not_reached,
            Covered.RUN: self.run,
        }
        return next((covered for covered, count in counts.items() if count), Covered.PRUNED)


def total_by_rule(rows: Iterable[LedgerRow]) -> dict[str, int]:
    """Return how many cases each pruning rule left out of all the rows."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row.pruned_by)
    return dict(sorted(total.items()))


def merged_row(rows: Sequence[LedgerRow]) -> LedgerRow:
    """Return the sum of one or more rows for the same program and fault."""
    return replace(
        rows[0],
        space=sum(row.space for row in rows),
        run=sum(row.run for row in rows),
        pruned=sum(row.pruned for row in rows),
        pruned_by=total_by_rule(rows),
        not_reached=sum(row.not_reached for row in rows),
        invalid=sum(row.invalid for row in rows),
        violated=sum(row.violated for row in rows),
        places=_merged_places(rows),
    )


def _merged_places(rows: Iterable[LedgerRow]) -> dict[str, Covered]:
    order = list(Covered)
    places: dict[str, Covered] = {}
    for row in rows:
        for place, covered in row.places.items():
            places[place] = min(places.get(place, covered), covered, key=order.index)
    return places


def not_reached_row(program: str) -> LedgerRow:
    """Return the row of a program that was not started: the case without faults is all that is known of its space."""
    return LedgerRow(
        program=program,
        fault=NO_FAULT,
        space=1,
        run=0,
        pruned=0,
        pruned_by={},
        not_reached=1,
        invalid=0,
        violated=0,
    )


@dataclass(slots=True)
class Ledger:
    """The counts of one program so far, by fault. Its fields can be stored and read back.

    Attributes:
        left_out_by: by fault, the number of cases that each rule left out.
        by_place: by place, the counts of the cases with one fault, which is injected there.
    """

    _: KW_ONLY
    space: dict[str, int] = field(default_factory=dict)
    run: dict[str, int] = field(default_factory=dict)
    invalid: dict[str, int] = field(default_factory=dict)
    violated: dict[str, int] = field(default_factory=dict)
    left_out_by: dict[str, dict[str, int]] = field(default_factory=dict)
    by_place: dict[str, Ledger] = field(default_factory=dict)

    def copy(self) -> Ledger:
        """Return a ledger with the same counts."""
        return Ledger(
            space=dict(self.space),
            run=dict(self.run),
            invalid=dict(self.invalid),
            violated=dict(self.violated),
            left_out_by={fault: dict(by_rule) for fault, by_rule in self.left_out_by.items()},
            by_place={place: at.copy() for place, at in self.by_place.items()},
        )

    def planned(self, fault: str, place: str = "") -> None:
        """Count a case with this fault that is to be run.

        Args:
            place: where the fault is injected, as a schedule names it; empty if the case has none or several.
        """
        _add_one(self.space, fault)
        if place:
            self._at(place).planned(fault)

    def pruned(self, fault: str, rule: str, place: str = "") -> None:
        """Count a case with this fault that belongs to the space and is left out by a rule."""
        self.planned(fault, place)
        self.left_out(fault, rule, place)

    def left_out(self, fault: str, rule: str, place: str = "") -> None:
        """Count a planned case that is not run after all, by a rule."""
        _add_one(self.left_out_by.setdefault(fault, {}), rule)
        if place:
            self._at(place).left_out(fault, rule)

    def ended(self, fault: str, place: str = "", *, valid: bool, violated: bool) -> None:
        """Count a case that was run. A case that was not planned here does not count, such as another shard's."""
        if fault not in self.space:
            return
        _add_one(self.run if valid else self.invalid, fault)
        if violated:
            _add_one(self.violated, fault)
        if place:
            self._at(place).ended(fault, valid=valid, violated=violated)

    def _at(self, place: str) -> Ledger:
        return self.by_place.setdefault(place, Ledger())

    def rows(self, program: str = "") -> tuple[LedgerRow, ...]:
        """Return a row per fault, in the order in which the faults were first planned.

        Args:
            program: its name, for the rows.
        """
        return tuple(self._row(program, fault) for fault in self.space)

    def _row(self, program: str, fault: str) -> LedgerRow:
        by_rule = self.left_out_by.get(fault, {})
        run, invalid = self.run.get(fault, 0), self.invalid.get(fault, 0)
        pruned = sum(by_rule.values())
        return LedgerRow(
            program=program,
            fault=fault,
            space=self.space[fault],
            run=run,
            pruned=pruned,
            pruned_by=dict(sorted(by_rule.items())),
            not_reached=self.space[fault] - pruned - run - invalid,
            invalid=invalid,
            violated=self.violated.get(fault, 0),
            places={
                place: at._row(program, fault).covered
                for place, at in self.by_place.items()
                if fault in at.space
            },
        )


def _add_one(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1
