"""What the page of a verdict holds, and that none of it can end the element it stands in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from midpipe.faultinject.decide.ledger import Covered
from midpipe.reports.page_data import STEP, coverage_data, page_data, story_data
from midpipe.reports.sinks.page import embedded, page
from midpipe.scenarios.model.story import StepKind, StoryStep
from tests.fast.reports.verdicts import ENQUEUE, FAILED, LOST, PASSED, STORY


def test_a_story_has_its_clients_and_a_list_for_each_step() -> None:
    story = story_data(STORY)
    assert story is not None
    assert story["clients"] == ["A"]
    fault = dict(zip(STEP, story["steps"][2], strict=True))
    assert (fault["position"], fault["fault"], fault["executed"]) == ("A2", "cut-before", "no")
    assert fault["marked"] == "✂ cut-before"
    assert fault["text"] == "HSET ai:jobs:job-1 status pending"


def test_a_call_shows_its_attempt_and_version() -> None:
    call = replace(ENQUEUE, attempt=2, version="new code")
    story = story_data(replace(STORY, steps=(StoryStep(StepKind.CALL, "A", call),)))
    assert story is not None
    assert story["steps"][0][STEP.index("text")] == "enqueue(job-1) (attempt 2) [new code]"


def test_a_finding_without_a_story_has_none() -> None:
    (finding,) = page_data(replace(FAILED, findings=(replace(LOST, story=None),)))["findings"]
    assert finding["story"] is None


def test_coverage_has_a_cell_for_each_row_of_the_ledger() -> None:
    assert page_data(PASSED)["coverage"] == {
        "programs": ["enqueue"],
        "faults": ["late"],
        "cells": [[0, 0, 5, 3, 1, 0, 2]],
        "places": [[0, "A1:SET", "v"], [0, "A2:HSET", "r"], [0, "A10:GET", "p"]],
    }


def test_places_are_in_the_order_of_the_program() -> None:
    names = ("B1:GET", "A10:GET", "A2:EXEC", "A2.1:MULTI", "As1:HELLO", "A1:SET")
    row = replace(FAILED.ledger[0], places=dict.fromkeys(names, Covered.RUN))
    places = coverage_data(replace(FAILED, ledger=(row,)))["places"]
    assert [place for _, place, _ in places] == [
        "As1:HELLO",
        "A1:SET",
        "A2:EXEC",
        "A2.1:MULTI",
        "A10:GET",
        "B1:GET",
    ]


@pytest.mark.parametrize("text", ["</script>", "<!--", "a & b", "\u2028", "]]>"])
def test_embedded_data_reads_back_and_holds_no_markup(text: str) -> None:
    held = embedded({"text": text})
    assert json.loads(held) == {"text": text}
    assert not set(held) & set("<>&\u2028")


def test_a_hundred_findings_stay_below_a_megabyte() -> None:
    many = replace(FAILED, findings=tuple(replace(LOST, id=f"F{n}") for n in range(100)))
    assert len(page(many).encode()) < 1_000_000


def test_the_page_is_the_same_each_time_and_names_no_address_of_a_network() -> None:
    assert page(FAILED) == page(FAILED)
    assert "http" not in page(FAILED).replace('http-equiv="Content-Security-Policy"', "")
