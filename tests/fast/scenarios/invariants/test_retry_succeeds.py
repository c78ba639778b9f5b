"""Of each condition under which a retried request counts as failed: a history in which that condition decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.history import Operation
from tests.fast.scenarios.invariants.histories import call, evidence

FIRST = call(error="ConnectionError")
STILL_FAILS = ("enqueue raised ConnectionError, and after 1 retries it still raised TimeoutError.",)


def retried(*, error: str = "TimeoutError") -> Operation:
    return call(at=4, attempt=2, error=error)


def outage(invoked_at: int, completed_at: int, *, client: str = "B") -> Operation:
    met = call("claim", error="OutOfMemoryError", request=7)
    return replace(met, client=client, invoked_at=invoked_at, completed_at=completed_at)


def said(*history: Operation) -> tuple[str, ...]:
    judgement = INVARIANTS["retry-succeeds"].check(evidence(*history))
    return tuple(found.seen for found in judgement.violations)


def test_a_request_that_its_caller_did_not_repeat_is_not_judged() -> None:
    assert said(FIRST) == ()


@pytest.mark.parametrize(
    "other",
    [
        outage(0, 4),
        outage(5, 9),
        outage(6, 9),
        outage(0, 9, client="A"),
        replace(outage(0, 9), faulted=False),
    ],
    ids=["ends before", "begins as it ends", "begins later", "its own fault", "no fault"],
)
def test_a_retry_that_no_other_fault_meets_has_to_succeed(other: Operation) -> None:
    assert said(FIRST, retried(), other) == STILL_FAILS


def test_a_retry_inside_another_client_s_outage_may_fail() -> None:
    assert said(FIRST, retried(), outage(4, 5)) == ()


def test_a_retry_that_was_answered_is_judged_although_another_client_met_a_fault() -> None:
    assert said(FIRST, retried(error=""), outage(0, 9)) == (
        "enqueue raised ConnectionError; its retry answered True, but get_job finds no such job.",
    )
