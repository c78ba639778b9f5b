"""What is judged of a job that ``dequeue`` hands out without a lease: that depends on the promised delivery."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence, Traits
from midpipe.scenarios.model.history import Completion, Json, Operation, Phase
from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.model.state import Tables
from tests.fast.scenarios.invariants.histories import call, evidence, fields, tables

PUT = call(phase=Phase.PREPARE)


def traits(delivery: str) -> Traits:
    promises = declared({"delivery": delivery})
    return Traits(frozenset({"enqueue", "dequeue"}), False, False, promises=promises)


def took(value: Json = "j", *, at: int = 2, error: str = "", client: str = "A") -> Operation:
    return replace(call("dequeue", "", at=at, value=value, error=error), client=client)


def violated(seen: Evidence) -> set[str]:
    """Return which invariants of a handed-out job do not hold."""
    wanted = ("no-lost-job", "no-duplicate", "queue-order", "no-orphan")
    return {name for name in wanted if INVARIANTS[name].check(seen).violations}


def case(*history: Operation, delivered: tuple[str, ...] = (), delivery: str) -> Evidence:
    return evidence(PUT, *history, delivered=delivered, traits=traits(delivery))


@pytest.mark.parametrize("delivery", ["at-most-once", "at-least-once", "exactly-once"])
@pytest.mark.parametrize("job", ["j", {"job_id": "j"}])
def test_a_job_that_a_dequeue_returned_is_not_lost(delivery: str, job: Json) -> None:
    assert violated(case(took(job), delivery=delivery)) == set()


@pytest.mark.parametrize("delivery", ["at-most-once", "at-least-once"])
def test_a_job_that_no_dequeue_took_is_lost(delivery: str) -> None:
    assert violated(case(took(None), delivery=delivery)) >= {"no-lost-job"}
    assert violated(case(took("other"), delivery=delivery)) >= {"no-lost-job"}


def test_a_dequeue_without_an_answer_may_have_taken_the_job_only_of_at_most_once() -> None:
    cut = took(error="ConnectionError")
    assert violated(case(cut, delivery="at-most-once")) == set()
    assert violated(case(cut, delivery="at-least-once")) == {"no-lost-job"}


def test_a_dequeue_that_answered_after_a_lost_reply_may_have_taken_another_job_only_of_at_most_once() -> (
    None
):
    repeated = replace(took(None), faulted=True, wrote=True)
    assert violated(case(repeated, delivery="at-most-once")) == set()
    assert violated(case(repeated, delivery="at-least-once")) == {"no-lost-job"}


def test_a_dequeue_that_surely_had_no_effect_has_taken_no_job() -> None:
    refused = replace(took(error="ConnectionError"), completion=Completion.FAIL)
    assert violated(case(refused, delivery="at-most-once")) == {"no-lost-job"}


def test_a_job_is_taken_twice_only_of_a_queue_that_promises_at_least_once() -> None:
    twice = (took(), took(at=4, client="B"))
    assert violated(case(*twice, delivery="at-most-once")) == {"no-duplicate", "queue-order"}
    assert violated(case(*twice, delivery="at-least-once")) == set()


def test_a_taken_job_that_the_drain_gets_again_was_taken_twice() -> None:
    seen = case(took(), delivered=("j",), delivery="at-most-once")
    assert violated(seen) == {"no-duplicate", "queue-order"}
    assert violated(case(took(), delivered=("j",), delivery="at-least-once")) == set()


def test_a_dequeued_job_stays_pending_without_a_place_and_an_id_without_data_is_an_orphan() -> None:
    white_box = replace(traits("at-most-once"), white_box=True)
    gone = Tables({"j": fields("j")}, {}, (), {})
    seen = evidence(PUT, took(), states=(tables("j"), gone), traits=white_box)
    assert "no-orphan" not in violated(seen)
    left = replace(seen, history=(PUT,))
    assert "no-orphan" in violated(left)
    without_data = Tables({}, {}, ("j",), {})
    seen = evidence(PUT, took("i"), states=(tables("j"), without_data), traits=white_box)
    assert "no-orphan" in violated(seen)


def test_a_job_is_taken_if_one_of_several_dequeues_returned_it() -> None:
    assert violated(case(took(), took("other", at=4), delivery="at-least-once")) == set()


@pytest.mark.parametrize("wrote", [True, False])
def test_a_dequeue_that_was_answered_amid_a_fault_may_have_taken_a_job_if_the_server_wrote_for_it(
    wrote: bool,
) -> None:
    taken = replace(took(None), faulted=True, wrote=wrote)
    assert ("no-lost-job" in violated(case(taken, delivery="at-most-once"))) is not wrote


def test_one_dequeue_of_several_without_an_answer_may_have_taken_the_job() -> None:
    several = (took(error="TimeoutError"), took(None, at=4))
    assert "no-lost-job" not in violated(case(*several, delivery="at-most-once"))
