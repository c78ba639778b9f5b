"""The selfcheck's table: how soon each flaw is caught, by its programs and by fuzzing."""

from __future__ import annotations

from dataclasses import replace

from midpipe.reports.selfcheck_table import (
    MISSED,
    SelfcheckLine,
    own_queue_sentences,
    selfcheck_lines,
)
from midpipe.scenarios.model.verdict import FlawRow, Outcome
from tests.fast.reports.verdicts import PASSED

SWEPT = FlawRow(
    flaw="as-shipped",
    invariant="no-duplicate",
    expected=True,
    caught=True,
    outcome=Outcome.PASS,
    replay="enqueue: A2!lost-reply",
    case_number=9,
    seconds=0.51,
)
FUZZED = replace(SWEPT, replay="p: A1", case_number=140, seconds=3.25, by="fuzz")


def lines(*rows: FlawRow) -> tuple[SelfcheckLine, ...]:
    return selfcheck_lines(replace(PASSED, selfcheck=rows))


def test_a_flaw_hunted_in_two_ways_is_one_line() -> None:
    assert lines(SWEPT, FUZZED) == (
        SelfcheckLine(
            "as-shipped", "no-duplicate", ("sweep 9 / 0.5 s", "140 / 3.2 s"), "p: A1", failed=False
        ),
    )


def test_a_way_in_which_a_flaw_was_not_hunted_is_an_empty_cell() -> None:
    assert [line.caught for line in lines(FUZZED)] == [("", "140 / 3.2 s")]


def test_a_flaw_that_was_not_caught_is_named_missed() -> None:
    missed = replace(
        FUZZED, caught=False, outcome=Outcome.FAIL, replay="", case_number=0, seconds=0.0
    )
    assert [line.caught for line in lines(SWEPT, missed)] == [("sweep 9 / 0.5 s", MISSED)]


def test_a_violation_that_is_not_expected_is_shown_of_the_reference_only() -> None:
    beside = replace(SWEPT, expected=False)
    accused = replace(beside, flaw="reference", outcome=Outcome.FAIL)
    assert [line.flaw for line in lines(beside, accused)] == ["reference"]


def test_beside_a_subject_the_selfcheck_takes_one_sentence_that_names_what_failed() -> None:
    missed = replace(SWEPT, flaw="pushes-again", caught=False, outcome=Outcome.FAIL)
    beside = replace(PASSED, selfcheck=(SWEPT, missed), review=())
    assert own_queue_sentences(beside) == (
        "Selfcheck of 2 flawed queues: 1 of 2 checks as expected; FAILED no-duplicate on pushes-again.",
    )


def test_alone_the_selfcheck_is_a_table_and_no_sentence() -> None:
    assert own_queue_sentences(replace(PASSED, selfcheck=(SWEPT,), invariants=())) == ()
