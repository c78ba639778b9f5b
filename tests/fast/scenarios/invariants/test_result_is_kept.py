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


COMPLETED: dict[str, Json] = {"status": "completed", "result": None}


def test_a_job_is_judged_by_its_own_ends_in_its_own_workspace() -> None:
    other_job = replace(ended({"n": 1}), arguments={**ended(None).arguments, "job_id": "i"})
    assert said(other_job, shown=COMPLETED) == ()
    elsewhere = replace(
        ended({"n": 1}), arguments={**ended({"n": 1}).arguments, "workspace_id": "globex"}
    )
    assert said(elsewhere, shown=COMPLETED) == ()
    assert said(other_job, elsewhere, ended({"n": 2}), shown=COMPLETED) != ()


@pytest.mark.parametrize("answer", [None, "completed"])
def test_a_job_that_is_not_found_has_no_result(answer: Json) -> None:
    seen = replace(evidence(ended({"n": 1})), read_back={("j", "acme"): answer})
    assert INVARIANTS["result-is-kept"].check(seen).observations == 0


def test_a_job_that_one_call_without_a_result_may_have_ended_is_not_judged() -> None:
    accepts = {"complete": frozenset({"job_id"})}
    traits = Traits(
        frozenset({"update_status", "get_job", "complete"}), False, False, accepts=accepts
    )
    seen = evidence(ended({"n": 1}), call("complete", at=2), traits=traits)
    shown = {"job_id": "j", "status": "completed", "result": "other"}
    seen = replace(seen, read_back={("j", "acme"): shown})
    assert INVARIANTS["result-is-kept"].check(seen).violations == ()


def test_a_job_that_has_not_ended_is_not_judged() -> None:
    running = ended({"n": 1}, status="running")
    assert said(running, shown={"status": "running", "result": None}) == ()


def test_only_a_failed_job_may_have_failed_because_its_attempts_were_used_up() -> None:
    given_up = call("fail", at=4)
    failed = ended("why", status="failed")
    assert said(failed, given_up, shown={"status": "failed", "result": None}) == ()
    assert said(failed, shown={"status": "failed", "result": None}) != ()
    assert said(ended({"n": 1}), given_up, shown=COMPLETED) != ()


@pytest.mark.parametrize(("given", "shown"), [(None, {"n": 1}), ({"n": 1}, '{"n": 2}'), (1, "x")])
def test_a_result_that_no_caller_gave_is_a_violation(given: Json, shown: Json) -> None:
    assert said(ended(given), shown={"status": "completed", "result": shown}) != ()


@pytest.mark.parametrize(
    ("length", "text"), [(58, '"' + 58 * "x" + '"'), (59, '"' + 59 * "x" + "…")]
)
def test_a_long_result_is_cut(length: int, text: str) -> None:
    (violation,) = said(ended(None), shown={"status": "completed", "result": length * "x"})
    assert violation == f"j is completed with the result {text}; its callers gave null."
