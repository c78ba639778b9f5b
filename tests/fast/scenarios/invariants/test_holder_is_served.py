"""holder-is-served: which refusals are a violation, and which a queue may give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Completion, Operation
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
