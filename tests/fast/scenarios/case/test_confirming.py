"""Which violations count: those that further runs of the case, with more patience, show again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count

import pytest

from midpipe.scenarios.case.confirming import (
    CONFIRMED_PER_KIND,
    Kind,
    confirmed,
    is_memory_of_process,
)
from midpipe.scenarios.model.evidence import Traits, ViolationEvidence
from midpipe.scenarios.model.record import CaseRecord, Timing, Violation

LOST, TWICE = "no-lost-job", "no-duplicate"


def record(
    *violated: str, program: str = "enqueue", invalid_reason: str = "", patience: int = 1
) -> CaseRecord:
    return CaseRecord(
        program=program,
        traits=Traits(frozenset(), white_box=False, new_schema=False),
        entries=(),
        states=(),
        history=(),
        delivered=None,
        read_back=(),
        logs=(),
        invalid_reason=invalid_reason,
        violations=tuple(
            Violation(name, (ViolationEvidence(f"{name} was seen.", "enqueue"),))
            for name in violated
        ),
        observations=(),
        crashes=(),
        timing=Timing(0.0, 0.0, 0.0, 0.0),
        patience=patience,
    )


@dataclass
class Runs:
    """Further runs of a case, each with what it violates; none may be run beyond them."""

    left: list[set[str]]
    patience: list[int] = field(default_factory=list)

    def __call__(self, patience: int) -> frozenset[str]:
        self.patience.append(patience)
        return frozenset(self.left.pop(0))


def judged(
    case: CaseRecord, *runs: set[str], kinds: Counter[Kind] | None = None
) -> tuple[list[str], list[str]]:
    """Return the invariants that count and those that are unknown; all the runs must have been needed."""
    left = Runs(list(runs))
    known: Counter[Kind] = Counter() if kinds is None else kinds
    result = confirmed(case, left, known, bool)
    assert left.left == []
    return (
        [violation.invariant for violation in result.violations],
        [doubt.violation.invariant for doubt in result.unconfirmed],
    )


def test_a_violation_that_shows_again_twice_counts() -> None:
    assert judged(record(LOST), {LOST}, {LOST}) == ([LOST], [])


def test_a_violation_that_shows_again_in_two_of_three_runs_counts() -> None:
    assert judged(record(LOST), {LOST}, set(), {LOST}) == ([LOST], [])


def test_a_violation_that_does_not_show_again_is_unknown() -> None:
    assert judged(record(LOST), set(), set()) == ([], [LOST])


def test_a_violation_that_shows_again_once_in_three_runs_is_unknown() -> None:
    assert judged(record(LOST), {LOST}, set(), set()) == ([], [LOST])


def test_a_run_that_violates_another_invariant_confirms_nothing() -> None:
    assert judged(record(LOST), {TWICE}, {TWICE}) == ([], [LOST])


def test_each_violation_of_a_case_is_judged_by_itself() -> None:
    assert judged(record(LOST, TWICE), {TWICE}, {LOST, TWICE}, set()) == ([TWICE], [LOST])


def test_further_runs_have_more_patience_than_the_one_that_is_confirmed() -> None:
    runs = Runs([{LOST}, {LOST}])
    confirmed(record(LOST, patience=3), runs, Counter(), bool)
    assert all(patience > 3 for patience in runs.patience)


def test_a_case_that_is_invalid_or_violates_nothing_is_not_run_again() -> None:
    assert judged(record()) == ([], [])
    invalid = record(LOST, invalid_reason="the machine may be too busy")
    assert confirmed(invalid, Runs([]), Counter(), bool) == invalid


def test_without_time_for_further_runs_a_violation_is_unknown_and_says_so() -> None:
    result = confirmed(record(LOST), Runs([]), Counter(), lambda: True)
    assert result.violations == ()
    (doubt,) = result.unconfirmed
    assert str(doubt) == (
        "no-lost-job was violated once (no-lost-job was seen), and there was no time to run the case again"
    )


@pytest.mark.parametrize(
    ("runs", "may_be"), [([set(), set()], True), ([{"a"}, set(), set()], False)]
)
def test_what_no_new_process_shows_may_be_what_a_process_remembered(
    runs: list[set[str]], may_be: bool
) -> None:
    assert is_memory_of_process(confirmed(record("a"), Runs(runs), Counter(), bool)) is may_be


def test_what_was_not_run_again_is_no_memory_of_a_process() -> None:
    assert not is_memory_of_process(confirmed(record("a"), Runs([]), Counter(), lambda: True))


@pytest.mark.parametrize(
    ("runs", "in_time", "again"),
    [
        ([{LOST}, set(), set()], 3, "again in 1 of 3 further runs"),
        ([set(), set()], 3, "in none of 2 further runs"),
        ([set()], 1, "not in the one further run, after which the time was up"),
    ],
)
def test_both_outcomes_are_shown(runs: list[set[str]], in_time: int, again: str) -> None:
    asked = count()
    result = confirmed(record(LOST), Runs(runs), Counter(), lambda: next(asked) >= in_time)
    (doubt,) = result.unconfirmed
    assert str(doubt) == (
        f"no-lost-job was violated once (no-lost-job was seen), and {again}; 2 are needed to confirm it"
    )


def test_what_shows_again_in_every_run_that_there_was_time_for_counts() -> None:
    asked = count()
    result = confirmed(record(LOST), Runs([{LOST}]), Counter(), lambda: next(asked) >= 1)
    assert result.confirmed == (LOST,)
    assert result.unconfirmed == ()


def test_once_a_kind_is_confirmed_often_enough_further_cases_of_it_count_as_they_are() -> None:
    kinds: Counter[Kind] = Counter()
    for _ in range(CONFIRMED_PER_KIND):
        assert judged(record(LOST), {LOST}, {LOST}, kinds=kinds) == ([LOST], [])
    assert judged(record(LOST), kinds=kinds) == ([LOST], [])


def test_a_kind_of_another_program_is_confirmed_for_itself() -> None:
    kinds = Counter({("enqueue", LOST, "enqueue"): CONFIRMED_PER_KIND})
    assert judged(record(LOST, program="get"), set(), set(), kinds=kinds) == ([], [LOST])


def test_programs_written_at_random_share_their_kinds() -> None:
    kinds = Counter({("written(", LOST, "enqueue"): CONFIRMED_PER_KIND})
    case = record(LOST, program="written(A enqueue job-1)")
    assert judged(case, kinds=kinds) == ([LOST], [])
