"""holder-is-served: which refusals are a violation, and which a queue may give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Completion, Json, Operation
from tests.fast.scenarios.invariants.histories import call, evidence

HOLDS = call("claim", "", at=2, value={"job_id": "j", "lease_token": "t"}, lease_s=30.0)


def use(
    method: str = "complete", *, at: int = 8, value: bool = False, client: str = "A"
) -> Operation:
    return replace(call(method, at=at, value=value, lease_token="t"), client=client)


def refusals(*operations: Operation) -> list[str]:
    seen: Evidence = evidence(call(), *operations)
    return [item.method for item in INVARIANTS["holder-is-served"].check(seen).violations]


def test_without_a_claim_nothing_is_checked() -> None:
    assert INVARIANTS["holder-is-served"].check(evidence(call())).observations == 0


@pytest.mark.parametrize("method", ["complete", "heartbeat"])
def test_a_holder_that_is_refused_is_a_violation(method: str) -> None:
    assert refusals(HOLDS, use(method)) == [method]


def test_a_holder_that_is_served_is_none() -> None:
    assert refusals(HOLDS, use(value=True)) == []


def test_another_worker_s_refused_call_excuses_nothing() -> None:
    assert refusals(HOLDS, use(at=4, client="B"), use()) == ["complete"]


def test_a_job_that_another_worker_has_completed_may_be_refused() -> None:
    assert refusals(HOLDS, use(at=4, value=True, client="B"), use()) == []


def test_a_second_complete_after_one_that_may_have_had_an_effect_may_be_refused() -> None:
    lost = replace(use(at=4), completion=Completion.INFO, value=None)
    assert refusals(HOLDS, lost, use()) == []


def test_a_second_complete_after_one_that_certainly_had_no_effect_may_not() -> None:
    cut = replace(use(at=4), completion=Completion.FAIL, value=None)
    assert refusals(HOLDS, cut, use()) == ["complete"]


def test_a_holder_whose_lease_has_ended_may_be_refused() -> None:
    ended = call("claim", "", at=2, value={"job_id": "j", "lease_token": "t"}, lease_s=0.001)
    assert refusals(ended, use()) == []


def test_a_holder_that_let_its_lease_end_may_be_refused() -> None:
    beat = call("heartbeat", at=4, value=True, lease_token="t", lease_s=0.001)
    assert refusals(HOLDS, beat, use()) == []


def beat(*, at: int = 4, lease_s: float = 0.001, client: str = "A") -> Operation:
    extended = call("heartbeat", at=at, value=True, lease_token="t", lease_s=lease_s)
    return replace(extended, client=client)


@pytest.mark.parametrize("answer", [None, "j", {"lease_token": "t"}, {"job_id": 7}])
def test_a_claim_that_returned_no_job_holds_none(answer: Json) -> None:
    assert refusals(replace(HOLDS, value=answer), use()) == []


def test_a_use_that_raised_was_not_refused() -> None:
    raised = replace(use(), completion=Completion.INFO, value=None)
    assert refusals(HOLDS, raised) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(use(), version="off"),
        replace(use(), arguments={"job_id": "i", "lease_token": "t"}),
        replace(use(), arguments={"job_id": "j", "lease_token": "older"}),
        use(at=0),
    ],
    ids=["by another version", "another job", "with another token", "before the claim"],
)
def test_only_what_is_done_under_the_lease_is_judged(other: Operation) -> None:
    assert refusals(HOLDS, other) == []


def test_a_use_that_begins_as_the_claim_returns_is_judged() -> None:
    assert refusals(HOLDS, use(at=HOLDS.completed_at)) == ["complete"]


@pytest.mark.parametrize(
    "ending",
    [
        call("complete", "i", at=4, value=True),
        call("complete", at=9, value=True),
        call("complete", at=12, value=True),
        call("enqueue", at=2, value=True),
    ],
    ids=["of another job", "as the refusal comes", "after it", "as the claim returns"],
)
def test_a_change_elsewhere_excuses_no_refusal(ending: Operation) -> None:
    assert refusals(HOLDS, replace(ending, client="B"), use()) == ["complete"]


@pytest.mark.parametrize(
    ("method", "excuses"), [("cancel", False), ("update_status", True), ("enqueue", True)]
)
def test_false_says_of_some_calls_only_that_they_had_no_effect(method: str, excuses: bool) -> None:
    other = replace(call(method, at=4, value=False), client="B")
    assert (refusals(HOLDS, other, use()) == []) is excuses


@pytest.mark.parametrize(
    "heartbeat",
    [beat(client="B"), beat(at=8), beat(at=12), beat(lease_s=30.0)],
    ids=["of another worker", "at the same time", "afterwards", "of a lease that lasts"],
)
def test_only_the_holder_s_own_earlier_heartbeat_ends_its_lease(heartbeat: Operation) -> None:
    assert "complete" in refusals(HOLDS, heartbeat, use())


def test_a_lease_that_ended_by_the_time_that_passed_may_be_refused() -> None:
    held = evidence(call(), HOLDS, use())
    check = INVARIANTS["holder-is-served"].check
    assert check(replace(held, passed_s=29.0)).violations != ()
    assert check(replace(held, passed_s=30.0)).violations == ()


def test_a_lease_that_a_heartbeat_made_shorter_may_have_ended_by_the_time_that_passed() -> None:
    held = evidence(call(), HOLDS, beat(lease_s=10.0), use())
    check = INVARIANTS["holder-is-served"].check
    assert check(replace(held, passed_s=9.0)).violations != ()
    assert check(replace(held, passed_s=10.0)).violations == ()
