"""First finds side by side, and what fuzzing's coverage is said to mean."""

from __future__ import annotations

from dataclasses import replace

from midpipe.reports.finds import MISSED, FirstFinds, coverage_told, first_finds
from midpipe.scenarios.model.verdict import CoverageRow, Figure, FlawRow
from tests.fast.reports.verdicts import PASSED

SWEPT = FlawRow("as-shipped", "no-duplicate", True, True, "enqueue: A2!lost-reply", 9, 0.51)
FUZZED = replace(SWEPT, replay="p: A1", case_number=140, seconds=3.25, by="fuzz")


def lines(*rows: FlawRow) -> tuple[FirstFinds, ...]:
    return first_finds(replace(PASSED, selfcheck=rows))


def test_a_flaw_hunted_in_two_ways_is_one_line() -> None:
    assert lines(SWEPT, FUZZED) == (
        FirstFinds("as-shipped", "no-duplicate", ("sweep 9 / 0.5 s", "140 / 3.2 s"), "p: A1"),
    )


def test_a_way_in_which_it_was_not_hunted_is_left_empty() -> None:
    assert [line.finds for line in lines(FUZZED)] == [("", "140 / 3.2 s")]


def test_a_flaw_that_was_not_found_is_named() -> None:
    missed = replace(FUZZED, caught=False, replay="", case_number=0, seconds=0.0)
    assert [line.finds for line in lines(SWEPT, missed)] == [("sweep 9 / 0.5 s", MISSED)]


def test_what_fell_beside_is_not_shown_but_of_the_reference_it_is() -> None:
    beside = replace(SWEPT, expected=False)
    accused = replace(beside, flaw="reference")
    assert [line.flaw for line in lines(beside, accused)] == ["reference"]


def test_coverage_is_told_against_the_known_space_with_what_may_be_beyond_it() -> None:
    verdict = replace(
        PASSED,
        coverage=(CoverageRow("enqueue", 3, 10, 60), CoverageRow("get_job", 1, 2, 20)),
        figures=(Figure("fuzz: new combinations in a further case", 0.25, "combinations"),),
    )
    told = coverage_told(verdict)
    assert told.startswith("12 combinations")
    assert "of 80" in told
    assert "0.25 new ones" in told


def test_without_fuzzing_nothing_is_told_of_coverage() -> None:
    assert coverage_told(PASSED) == ""
