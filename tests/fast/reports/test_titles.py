"""The title of a finding names the call with its line, the fault and the effect."""

from __future__ import annotations

from dataclasses import replace

from midpipe.reports.titles import EFFECTS, title_of
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.finding import Consequence
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.story import SourceLine
from tests.fast.reports.verdicts import LOST

LINE = SourceLine("src/shop/queue.py", 96, "enqueue")


def test_a_fault_is_named_with_its_command_and_the_line_that_sent_it() -> None:
    assert title_of(replace(LOST, source=LINE)) == (
        "A connection cut before HSET in enqueue (queue.py:96) loses a job"
    )


def test_without_a_fault_the_call_is_the_subject_of_the_title() -> None:
    alone = replace(LOST, faults=(), replay="enqueue:", invariant="no-orphan", source=LINE)
    assert title_of(alone) == "enqueue (queue.py:96) leaves a job half written, without any fault"


def test_an_order_of_several_clients_is_a_race() -> None:
    race = replace(
        LOST, faults=(), replay="same-request-twice: A1 B1", invariant="no-duplicate", story=None
    )
    assert title_of(race) == "A race between clients in enqueue duplicates a job"


def test_a_fault_without_words_of_its_own_is_named_as_it_is() -> None:
    faults = (replace(LOST.faults[0], fault="lag=3"), LOST.faults[0])
    assert title_of(replace(LOST, faults=faults)) == (
        "The fault lag=3 at HSET and 1 more in enqueue loses a job"
    )


def test_without_a_story_the_program_is_named_in_which_the_fault_was_placed() -> None:
    finding = replace(LOST, program="work", operation="enqueue", story=None)
    assert title_of(finding) == ("A connection cut before HSET in the program work loses a job")


def test_without_a_story_no_call_is_blamed_for_a_job_that_got_lost_later() -> None:
    lost = replace(LOST, faults=(), program="die-then-work", replay="die-then-work:", story=None)
    assert title_of(lost) == "The program die-then-work loses a job, without any fault"


def test_every_invariant_has_an_effect_in_plain_words() -> None:
    assert set(EFFECTS) == set(INVARIANTS)


def test_the_call_that_takes_too_long_is_named_and_need_not_be_the_one_that_met_the_fault() -> None:
    late = replace(
        LOST,
        invariant="bounded-latency",
        evidence=("work had not returned after 60043 ms; the bound is 5000 ms.",),
        method="work",
    )
    assert title_of(late) == (
        "A connection cut before HSET in enqueue makes work take longer than the latency bound"
    )


def test_a_late_call_is_named_where_it_is_only_a_consequence() -> None:
    late = Consequence(
        "bounded-latency", Severity.HIGH, "It was late.", cases=1, replay="", method="work"
    )
    title = title_of(replace(LOST, consequences=(late,)), "bounded-latency")
    assert title == (
        "A connection cut before HSET in enqueue makes work take longer than the latency bound"
    )
