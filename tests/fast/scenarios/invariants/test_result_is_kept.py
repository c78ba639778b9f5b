"""What result-is-kept sees in a job that has ended, and what it leaves to the queue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import Json, Operation
from tests.fast.scenarios.invariants.histories import call, evidence


def ended(result: Json, *, status: str = "completed", error: str = "") -> Operation:
    return call("update_status", value=None, status=status, result=result, error=error)


def said(*history: Operation, shown: dict[str, Json]) -> tuple[str, ...]:
    """Return what is said of a job that get_job shows so."""
    seen = replace(evidence(*history), read_back={("j", "acme"): {"job_id": "j", **shown}})
    return tuple(evidence.seen for evidence in INVARIANTS["result-is-kept"].check(seen).violations)


@pytest.mark.parametrize("error", ["", "TimeoutError"])
def test_an_end_without_its_result_is_half_an_end(error: str) -> None:
    history = (ended({"n": 1}, error=error),)
    assert said(*history, shown={"status": "completed", "result": None}) == (
        'j is completed with the result null; its callers gave {"n": 1}.',
    )


def test_a_job_with_the_result_of_another_status_is_a_violation() -> None:
    history = (ended({"n": 1}), ended("why", status="failed"))
    assert said(*history, shown={"status": "failed", "result": {"n": 1}}) == (
        'j is failed with the result {"n": 1}; its callers gave "why".',
    )


@pytest.mark.parametrize(
    "shown",
    [
        {"status": "completed", "result": {"n": 1}},
        {"status": "completed", "result": '{"n": 1}'},
        {"status": "completed", "result": {"n": 2}},
        {"status": "completed"},
        {"status": "running", "result": None},
    ],
)
def test_a_job_with_one_of_its_results_or_without_an_end_is_no_violation(
    shown: dict[str, Json],
) -> None:
    assert said(ended({"n": 1}), ended({"n": 2}), shown=shown) == ()


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_result_may_be_shown_as_nothing_or_as_an_empty_text(nothing: Json) -> None:
    assert said(ended(None), shown={"status": "completed", "result": nothing}) == ()


def test_an_end_by_a_call_that_takes_no_result_is_not_judged() -> None:
    accepts = {"complete": frozenset({"job_id", "lease_token"})}
    traits = Traits(frozenset({"enqueue", "get_job", "complete"}), False, False, accepts=accepts)
    done = call("complete", result={"n": 1})
    seen = evidence(done, traits=traits)
    seen = replace(
        seen, read_back={("j", "acme"): {"job_id": "j", "status": "completed", "result": None}}
    )
    assert INVARIANTS["result-is-kept"].check(seen).violations == ()
    assert "no update_status or complete that takes a result" in INVARIANTS[
        "result-is-kept"
    ].why_not(traits)
    takes_it = replace(traits, accepts={"complete": frozenset({"job_id", "result"})})
    assert INVARIANTS["result-is-kept"].check(replace(seen, traits=takes_it)).violations
    assert not INVARIANTS["result-is-kept"].why_not(takes_it)
