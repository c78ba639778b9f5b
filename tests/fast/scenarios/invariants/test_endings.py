"""Of a queue that knows a job until it is done: which calls between two enqueues may have ended the job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.invariants.deduplication import is_still_known
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Completion, Json, Operation
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import BLACK_BOX, call, evidence

PROMISED = {"deduplicates": "job", "deduplicates_for": "until-done"}
METHODS = frozenset({"enqueue", "claim", "complete"})


def claim(
    client: str, at: int, *, lease_s: float = 30.0, value: Json = "j", **more: object
) -> Operation:
    job = {"job_id": value, "lease_token": client} if isinstance(value, str) else value
    claimed = replace(call("claim", "", at=at, value=job, lease_s=lease_s), client=client)
    return replace(claimed, **more)  # type: ignore[arg-type] # fields of an operation


def is_known(*between: Operation, methods: frozenset[str] = METHODS, **promises: object) -> bool:
    """Whether a job that is enqueued once more after these calls counts as one that is not done."""
    history = (call(), *between, call(at=20, request=2))
    return is_still_known(_case(*history, methods=methods, **promises), ("j",))


def _case(*history: Operation, methods: frozenset[str] = METHODS, **promises: object) -> Evidence:
    """The evidence of a case with a stepped clock, on which a second has passed."""
    traits = replace(BLACK_BOX, methods=methods, promises=declared({**PROMISED, **promises}))
    return replace(evidence(*history, traits=traits), passed_s=1.0)


def test_a_job_that_two_workers_hold_because_it_was_put_in_again_is_a_duplicate() -> None:
    seen = _case(call(), claim("A", 4), call(at=20, request=2), claim("B", 24))
    found = INVARIANTS["no-duplicate"].check(seen).violations
    assert [each.seen for each in found] == ["j was handed to 2 workers at once."]


REFUSED = call("complete", at=8, value=False)
RAISED = replace(call("complete", at=8), completion=Completion.FAIL, value=None)
OTHER = call("complete", "i", at=8)
NOTHING = claim("A", 4, value=None)
ENDED = claim("A", 4, lease_s=0.001)
PUT_BACK = (ENDED, claim("B", 6))
TOOK_NONE_BRIEFLY = claim("A", 4, value=None, lease_s=0.001)
FAULTED_READ = replace(call("get_job", value=None), faulted=True)


def at(moment: int, operation: Operation) -> Operation:
    return replace(operation, invoked_at=moment, completed_at=moment + 1)


@pytest.mark.parametrize(
    "between",
    [
        (claim("A", 4),),
        (claim("A", 4), REFUSED),
        (claim("A", 4), RAISED),
        (claim("A", 4), OTHER),
        (NOTHING,),
        (TOOK_NONE_BRIEFLY,),
        PUT_BACK,
        (ENDED, claim("B", 5)),
        (claim("A", 4), call("heartbeat", at=8, lease_s=30.0)),
        (claim("A", 4), call("heartbeat", at=8, lease_s=0.001), claim("B", 10)),
        (claim("A", 4), REFUSED, at(9, FAULTED_READ)),
        (claim("A", 4), REFUSED, at(7, FAULTED_READ)),
    ],
    ids=[
        "held",
        "refused",
        "without effect",
        "of another job",
        "took nothing",
        "took nothing under a lease that ended",
        "handed out again",
        "handed out again at once",
        "a lease that a heartbeat made longer",
        "handed out again after a heartbeat ended its lease",
        "refused before a fault",
        "refused after a fault",
    ],
)
def test_a_job_that_no_call_has_ended_must_not_be_put_in_again(
    between: tuple[Operation, ...],
) -> None:
    assert is_known(*between)


@pytest.mark.parametrize(
    "between",
    [
        (claim("A", 4), call("complete", at=8)),
        (claim("A", 4), call("fail", at=8)),
        (claim("A", 4), replace(REFUSED, faulted=True)),
        (claim("A", 4), replace(call("complete", at=8), completion=Completion.INFO, value=None)),
        (claim("A", 4, completion=Completion.INFO, value=None),),
        (replace(claim("A", 4), value="j"),),
        (replace(TOOK_NONE_BRIEFLY, faulted=True),),
        (ENDED,),
        (ENDED, claim("B", 6, value="i")),
        (ENDED, claim("B", 4, lease_s=0.001)),
        (ENDED, call("get_job", at=6, value={"job_id": "j"})),
        (*PUT_BACK, call("tick", "", at=8, value=None)),
        (claim("A", 4), call("heartbeat", at=8, lease_s=0.001)),
        (claim("A", 4), call("heartbeat", at=5, lease_s=0.001)),
        (call("dequeue", "", at=4, value=None),),
        (call("work", "", at=4, value=None),),
    ],
    ids=[
        "completed",
        "failed",
        "refused amid a fault",
        "no answer",
        "a claim without an answer",
        "a claim without a lease",
        "a claim amid a fault",
        "a lease that ended",
        "another job is handed out after it",
        "two leases at once that ended",
        "a read after a lease that ended",
        "periodic work",
        "a lease that a heartbeat ended",
        "a lease that a heartbeat ended at once",
        "a dequeue",
        "a worker",
    ],
)
def test_a_job_that_a_call_may_have_ended_may_be_put_in_again(
    between: tuple[Operation, ...],
) -> None:
    assert not is_known(*between)


def test_a_claim_may_end_a_job_where_no_call_says_that_it_is_done() -> None:
    assert not is_known(claim("A", 4), methods=frozenset({"enqueue", "claim"}))
    assert not is_known(claim("A", 4), delivery="at-most-once")


def test_a_lease_may_have_ended_by_the_queue_s_own_time_out() -> None:
    assert not is_known(claim("A", 4), visibility_timeout_s=1.0)
    assert is_known(claim("A", 4), visibility_timeout_s=2.0)


def test_any_time_out_may_be_over_on_the_machine_s_clock() -> None:
    seen = _case(call(), claim("A", 4), call(at=20, request=2), visibility_timeout_s=2.0)
    assert not is_still_known(replace(seen, passed_s=None), ("j",))


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (call(at=5, request=3), False),
        (call(at=3, request=3), True),
        (call(at=7, request=3), True),
        (call(at=5, request=3, value=False), True),
        (call(job_id="i", at=5, request=3), True),
        (call("get_job", at=5, value=None), True),
    ],
    ids=[
        "put in again",
        "put in before",
        "put in afterwards",
        "refused",
        "another job",
        "another call",
    ],
)
def test_a_job_that_was_put_in_again_after_its_lease_ended_may_have_ended_before(
    between: Operation, expected: bool
) -> None:
    assert is_known(*PUT_BACK, between) is expected


def test_an_enqueue_without_an_answer_may_be_executed_once_the_job_is_done() -> None:
    unanswered = replace(call(at=2, request=3), completion=Completion.INFO, value=None)
    held, done = claim("A", 4), call("complete", at=24)
    assert not is_known(unanswered, held, done)
    assert is_known(held, done)
    assert is_known(unanswered, held)


def served(deduplicates: str, enqueue: Operation, *between: Operation) -> list[str]:
    """What is said if a worker is refused after an enqueue of the job that it holds."""
    refused = replace(call("complete", at=8, value=False, lease_token="A"), client="A")
    seen = _case(call(), claim("A", 2), *between, enqueue, refused, deduplicates=deduplicates)
    found = INVARIANTS["holder-is-served"].check(seen).violations
    return [each.method for each in found]


AGAIN = call(at=5, request=2)


def test_an_enqueue_of_a_known_id_does_not_let_the_holder_be_refused() -> None:
    assert served("job", AGAIN) == ["complete"]


def test_an_enqueue_after_periodic_work_that_may_have_ended_the_job_lets_the_holder_be_refused() -> (
    None
):
    assert served("job", AGAIN, call("tick", "", at=4, value=None)) == []


@pytest.mark.parametrize(
    ("deduplicates", "enqueue"),
    [
        ("none", AGAIN),
        ("request", AGAIN),
        ("job", replace(AGAIN, completion=Completion.INFO, value=None)),
        ("job", call(at=5, request=2, workspace_id="globex")),
    ],
    ids=["no promise", "of requests", "without an answer", "in another workspace"],
)
def test_an_enqueue_that_may_make_a_new_job_lets_the_holder_be_refused(
    deduplicates: str, enqueue: Operation
) -> None:
    assert served(deduplicates, enqueue) == []
