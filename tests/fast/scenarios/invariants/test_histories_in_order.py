"""The invariants that ask whether a history has an order; what a lost answer was is read off the server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.invariants.linearizability import NEVER
from midpipe.scenarios.invariants.queue_order import puts_of, takes_of
from midpipe.scenarios.model.evidence import Evidence, Traits
from midpipe.scenarios.model.history import Operation
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import BLACK_BOX, WHITE_BOX, call, evidence, tables


def at(operation: Operation, start: int, end: int, client: str = "A") -> Operation:
    return replace(operation, invoked_at=start, completed_at=end, client=client)


def test_two_reads_between_which_an_update_disappears_have_no_order() -> None:
    update = at(call("update_status", status="running"), 1, 9)
    reads = [
        at(call("get_job", value={"job_id": "j", "status": status}), start, start + 1, "B")
        for status, start in (("running", 2), ("pending", 4))
    ]
    judged = INVARIANTS["status-order"].check(
        evidence(*reads, update, found=("j",), status="running")
    )
    assert [evidence.seen for evidence in judged.violations] == [
        "Of j, no order of the calls explains a read of pending."
    ]


def test_a_claim_without_an_answer_took_what_left_the_queue_at_its_command() -> None:
    puts = [call(job_id=job, at=number) for number, job in enumerate("ab")]
    lost = replace(call("claim", error="ConnectionError", at=4, state_after=1), arguments={})
    other = replace(
        call("claim", value={"job_id": "b"}, at=6, state_after=1, request=2), arguments={}
    )
    case = evidence(*puts, lost, other, states=(tables("a", "b"), tables("b")))
    assert [take.value for take in takes_of(case)] == ["a", "b"]
    assert INVARIANTS["queue-order"].check(case).violations == ()


def test_a_job_that_a_retried_claim_returns_again_was_taken_once() -> None:
    lost = replace(call("claim", error="ConnectionError", at=4, state_after=1), arguments={})
    again = replace(
        call("claim", value={"job_id": "a"}, at=6, attempt=2, state_after=1), arguments={}
    )
    case = evidence(call(job_id="a"), lost, again, states=(tables("a"), tables()))
    assert [take.value for take in takes_of(case)] == ["a"]


def test_a_job_that_a_retried_claim_returns_may_have_been_taken_by_its_first_attempt() -> None:
    puts = [call(job_id=job, at=number) for number, job in enumerate("ab")]
    first = at(call("claim", "", error="ConnectionError"), 4, 9, "B")
    other = at(call("claim", "", value={"job_id": "b"}), 5, 8)
    again = at(call("claim", "", value={"job_id": "a"}, attempt=2), 10, 11, "B")
    case = evidence(*puts, other, first, again, traits=BLACK_BOX)
    assert INVARIANTS["queue-order"].check(case).violations == ()


def claim_of_none(*, faulted: bool) -> Evidence:
    """A claim that wrote and returned None, although no other client took the job."""
    none = replace(call("claim", "", value=None, at=4), faulted=faulted)
    return evidence(call(job_id="a"), none, traits=BLACK_BOX)


def test_a_claim_whose_driver_retried_may_have_taken_a_job_that_it_did_not_return() -> None:
    assert INVARIANTS["queue-order"].check(claim_of_none(faulted=True)).violations == ()
    assert INVARIANTS["queue-order"].check(claim_of_none(faulted=False)).violations != ()


def test_an_enqueue_without_an_answer_put_the_job_that_was_in_the_queue() -> None:
    raised = call(job_id="a", error="ConnectionError", state_after=1)
    case = evidence(raised, states=(tables(), tables("a")))
    assert [put.end for put in puts_of(case)] == [1.0]


def test_a_claim_that_has_taken_nothing_yet_may_still_be_in_flight() -> None:
    """A paused server executes it later, after the next claim has returned None."""
    lost = replace(call("claim", error="TimeoutError", at=4), arguments={})
    none = replace(call("claim", value=None, at=6, request=2, state_after=1), arguments={})
    case = evidence(call(job_id="a"), lost, none, states=(tables("a"), tables()))
    assert [(take.value, take.end == NEVER) for take in takes_of(case)] == [
        (None, True),
        (None, False),
    ]
    assert INVARIANTS["queue-order"].check(case).violations == ()


@pytest.mark.parametrize(
    ("traits", "applies"),
    [
        (BLACK_BOX, False),
        (WHITE_BOX, True),
        (replace(WHITE_BOX, promises=declared({})), False),
        (replace(BLACK_BOX, methods=frozenset({"enqueue", "dequeue"})), True),
    ],
)
def test_order_is_judged_where_it_is_promised_and_can_be_seen(
    traits: Traits, applies: bool
) -> None:
    assert (INVARIANTS["queue-order"].why_not(traits) == "") == applies
