"""Of each condition under which jobs count as out of order: a history in which that condition decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.invariants.linearizability import NEVER, Put, Take
from midpipe.scenarios.invariants.queue_order import puts_of, takes_of
from midpipe.scenarios.model.evidence import Evidence, Traits
from midpipe.scenarios.model.history import Completion, Execution, Json, Operation, Phase
from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.model.state import Tables
from tests.fast.scenarios.invariants.histories import BLACK_BOX, EMPTY, call, evidence, tables

CHECK = INVARIANTS["queue-order"].check


def claim(
    job_id: str = "", *, at: int, error: str = "", attempt: int = 1, state_after: int = 0
) -> Operation:
    value: Json = {"job_id": job_id} if job_id else None
    made = call("claim", at=at, value=value, error=error, attempt=attempt, state_after=state_after)
    return replace(made, arguments={})


def failed(operation: Operation) -> Operation:
    return replace(operation, completion=Completion.FAIL)


# --- what was put in -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [True, None, "1700000000000-0", 7])
def test_an_answer_that_counts_as_true_puts_its_job_in(answer: Json) -> None:
    assert puts_of(evidence(call(value=answer))) == [Put("j", 0, 1)]
    assert puts_of(evidence(call(request_id="r"))) == [Put("j", 0, 1)]


@pytest.mark.parametrize(
    "operation",
    [
        failed(call(error="E")),
        call("complete"),
        call(value=False),
        call(value=0),
        call(value="i", request_id="r"),
    ],
    ids=["surely failed", "another call", "False", "zero", "an id that its request may have made"],
)
def test_nothing_else_puts_a_job_in(operation: Operation) -> None:
    assert puts_of(evidence(operation)) == []
    assert puts_of(evidence(operation, states=(tables("j"),))) == []


def test_a_job_was_put_in_at_the_latest_when_a_retry_was_answered() -> None:
    history = (call(error="E"), call(at=4, attempt=2, value=False))
    assert puts_of(evidence(*history)) == [Put("j", 0, 9)]


def test_an_enqueue_without_an_answer_may_put_its_job_in_later() -> None:
    twice = (call(error="E"), call(at=4, attempt=2, error="E"))
    assert puts_of(evidence(*twice)) == [Put("j", 0, NEVER)]
    later = (EMPTY, EMPTY, tables("j"))
    assert puts_of(evidence(call(error="E", state_after=1), states=later)) == [Put("j", 0, NEVER)]
    hidden = evidence(call(error="E", state_after=2), states=later, traits=BLACK_BOX)
    assert puts_of(hidden) == [Put("j", 0, NEVER)]


# --- what was taken --------------------------------------------------------------------------------------


FULL_THEN_EMPTY = (tables("j"), tables())


def test_a_claim_that_surely_failed_took_nothing() -> None:
    assert takes_of(evidence(failed(claim(at=2, error="E")), claim("j", at=4))) == [Take("j", 8, 9)]


def test_a_job_that_a_retry_returns_was_taken_by_the_attempt_at_which_it_left_the_queue() -> None:
    first, again = claim(at=2, error="E", state_after=1), claim("j", at=4, attempt=2, state_after=1)
    assert takes_of(evidence(first, again, states=FULL_THEN_EMPTY)) == [Take("j", 4, 9)]
    waited = replace(first, state_after=0)
    assert takes_of(evidence(waited, again, states=FULL_THEN_EMPTY)) == [
        Take(None, 4, NEVER),
        Take("j", 8, 9),
    ]


def test_a_retry_that_finds_nothing_has_not_taken_it_before() -> None:
    first, again = claim(at=2, error="E"), claim(at=4, attempt=2)
    assert takes_of(evidence(first, again, traits=BLACK_BOX)) == [
        Take(None, 4, NEVER),
        Take(None, 8, 9),
    ]


def test_without_its_keys_a_queue_does_not_show_what_a_claim_took() -> None:
    cut = evidence(claim(at=2, error="E", state_after=1), states=FULL_THEN_EMPTY, traits=BLACK_BOX)
    assert takes_of(cut) == [Take(None, 4, NEVER)]


def test_a_claim_took_what_left_the_queue_after_it_began_and_not_what_left_before() -> None:
    first = claim("j", at=2, state_after=1)
    cut = replace(claim(at=3, error="E", state_after=1), request=2)
    assert takes_of(evidence(first, cut, states=FULL_THEN_EMPTY)) == [
        Take("j", 4, 5),
        Take(None, 6, NEVER),
    ]


def test_a_job_that_left_the_queue_at_another_clients_command_was_not_taken_by_this_one() -> None:
    seen = evidence(claim(at=2, error="E", state_after=1), states=FULL_THEN_EMPTY)
    start, end = seen.moments
    by_another = replace(seen, moments=(start, replace(end, place="B1 (LPOP)")))
    assert takes_of(seen) == [Take("j", 4, 5)]
    assert takes_of(by_another) == [Take(None, 4, NEVER)]


def test_a_driver_that_retried_is_suspected_only_if_it_wrote_where_no_key_can_be_read() -> None:
    none = replace(claim(at=2), faulted=True, wrote=True)
    second = Take(None, 4, NEVER)
    assert second in takes_of(evidence(none, traits=BLACK_BOX))
    assert second not in takes_of(evidence(none))
    assert second not in takes_of(evidence(replace(none, wrote=False), traits=BLACK_BOX))


def test_what_the_drain_receives_was_taken_after_everything_else() -> None:
    assert takes_of(evidence(call(), delivered=("j",))) == [Take("j", 4, 5)]
    assert takes_of(evidence(call(), delivered=None)) == []


# --- which cases are judged ------------------------------------------------------------------------------


IN_ORDER = (call(job_id="a"), call(job_id="b", at=2), claim("a", at=4), claim("b", at=6))
TURNED_ROUND = (*IN_ORDER[:2], claim("b", at=4), claim("a", at=6))


def judged(seen: Evidence) -> int:
    return CHECK(seen).observations


def test_every_take_of_a_history_that_is_judged_is_counted() -> None:
    assert judged(evidence(*IN_ORDER)) == 2
    assert (judged(evidence(*TURNED_ROUND)), len(CHECK(evidence(*TURNED_ROUND)).violations)) == (
        2,
        1,
    )


def test_a_history_that_may_be_either_is_not_counted() -> None:
    cut = claim(at=4, error="E")
    seen = evidence(IN_ORDER[0], IN_ORDER[1], cut, claim("b", at=6), traits=BLACK_BOX)
    assert (judged(seen), CHECK(seen).violations) == (0, ())


@pytest.mark.parametrize(
    "more",
    [
        call("heartbeat", "a", at=8, lease_s=0.001),
        replace(claim(at=0), phase=Phase.PREPARE),
        claim("unknown", at=8),
    ],
    ids=["a lease that ends", "a claim before the case", "a job that no call has put in"],
)
def test_a_history_is_not_judged_in_which_jobs_come_from_elsewhere(more: Operation) -> None:
    assert judged(evidence(*TURNED_ROUND, more)) == 0


def test_a_history_is_not_judged_once_all_leases_have_ended() -> None:
    assert judged(replace(evidence(*TURNED_ROUND), leases_ended=True)) == 0


def test_one_job_that_was_put_in_twice_is_enough_where_the_queue_recognises_none() -> None:
    again = call(job_id="a", at=8, request=2)
    traits = replace(BLACK_BOX, promises=declared({"order": "fifo"}))
    assert judged(evidence(*TURNED_ROUND, traits=traits)) == 2
    assert judged(evidence(*TURNED_ROUND, again, traits=traits)) == 0


# --- the order in which a worker runs jobs ---------------------------------------------------------------


WORKS = frozenset({"enqueue", "work"})
WORK = call("work", "", at=6, value=None)
A, B = call(job_id="a", at=0), call(job_id="b", at=2, request=2)


def ran(*history: Operation, order: str = "ba", **promises: Any) -> tuple[str, ...]:
    """Return what is said of a worker that started the jobs in that order."""
    traits = Traits(WORKS, False, False, promises=declared({"order": "fifo", **promises}))
    return of(evidence(*history, delivered=None, traits=traits), order)


def of(seen: Evidence, order: str = "ba") -> tuple[str, ...]:
    runs = tuple(Execution(job_id, Phase.PROGRAM, has_ended=True) for job_id in order)
    return tuple(found.seen for found in CHECK(replace(seen, executions=runs)).violations)


OVERTAKEN = ("b was run before a, which was enqueued first.",)


@pytest.mark.parametrize(
    "history",
    [
        (A, B, WORK),
        (A, replace(B, client="B"), WORK),
        (A, replace(B, invoked_at=1), WORK),
        (replace(A, faulted=True), B, WORK),
        (A, B, WORK, call("get_job", "a", at=8, phase=Phase.RECOVERY)),
        (A, B, call(job_id="c", at=4, request=3), WORK),
    ],
    ids=[
        "one client",
        "two clients",
        "at once after its answer",
        "a fault in an enqueue",
        "a read in recovery",
        "a third job that has not run",
    ],
)
def test_a_worker_that_runs_the_second_job_first_violates_the_order(
    history: tuple[Operation, ...],
) -> None:
    assert ran(*history) == OVERTAKEN


@pytest.mark.parametrize(
    "history",
    [
        (A, replace(B, invoked_at=0), WORK),
        (replace(A, completion=Completion.INFO, value=None), B, WORK),
        (A, B, replace(WORK, faulted=True)),
        (A, B, WORK, replace(WORK, client="B")),
        (A, B, call("cancel", "a", at=4), WORK),
        (call(job_id="a", delay_s=0.05), B, WORK),
        (A, B, call(job_id="a", at=4, request=3), WORK),
    ],
    ids=[
        "concurrent enqueues",
        "no answer",
        "a disturbed worker",
        "two workers",
        "another call",
        "a delay",
        "a job put in twice",
    ],
)
def test_a_worker_may_run_jobs_in_any_order_otherwise(history: tuple[Operation, ...]) -> None:
    assert ran(*history) == ()


def test_a_job_that_was_put_in_twice_and_ran_once_has_not_overtaken_itself() -> None:
    assert ran(A, call(job_id="a", at=2, request=2), WORK, order="a", deduplicates="job") == ()


def test_an_enqueue_that_is_repeated_after_the_job_has_run_does_not_put_it_behind_others() -> None:
    again = call(job_id="a", at=6, request=3, value=False)
    first_run = call("work", "", at=4)
    assert ran(A, B, first_run, again, call("work", "", at=8), order="ab", deduplicates="job") == ()


def test_the_journal_decides_only_where_neither_keys_nor_claims_show_the_order() -> None:
    promises = declared({"order": "fifo", "deduplicates": "job"})
    readable = Traits(WORKS, True, False, promises=promises)
    state = Tables({}, {}, (), {})
    seen = evidence(A, B, WORK, states=(state,), delivered=("a", "b"), traits=readable)
    assert of(seen) == ()
    claims = Traits(WORKS | {"claim"}, False, False, promises=promises)
    assert of(evidence(*IN_ORDER, traits=claims)) == ()
    assert of(evidence(*IN_ORDER[:2], WORK, delivered=None, traits=claims)) == ()


# --- jobs of several priorities --------------------------------------------------------------------------


URGENT = call(job_id="b", at=2, request=2, priority=2)
LATER = call(job_id="a", at=0, priority=1)


def ordered(order: str, *history: Operation) -> tuple[str, ...]:
    traits = replace(BLACK_BOX, promises=declared({"order": order, "deduplicates": "job"}))
    return tuple(each.seen for each in CHECK(evidence(*history, traits=traits)).violations)


def test_a_claim_that_began_while_an_urgent_job_waited_must_return_it() -> None:
    assert ordered("priority", LATER, URGENT, claim("a", at=4), claim("b", at=6)) == (
        "a was taken before b, which has a higher priority and was waiting.",
    )
    assert ordered("priority", LATER, URGENT, claim("b", at=4), claim("a", at=6)) == ()
    began_before = replace(claim("a", at=4), invoked_at=1)
    assert ordered("priority", LATER, URGENT, began_before, claim("b", at=6)) == ()


def test_jobs_of_one_priority_may_come_in_any_order_unless_the_queue_promises_one() -> None:
    same = (LATER, call(job_id="b", at=2, request=2, priority=1), claim("b", at=4))
    history = (*same, claim("a", at=6))
    assert ordered("priority", *history) == ()
    assert ordered("priority-fifo", *history) == ("b was taken before a, which was put before it.",)


def test_a_queue_that_is_fifo_does_not_regard_a_priority() -> None:
    assert ordered("fifo", LATER, URGENT, claim("a", at=4), claim("b", at=6)) == ()


def test_a_job_without_a_priority_among_others_is_not_judged() -> None:
    plain = call(job_id="a", at=0)
    assert ordered("priority", plain, URGENT, claim("a", at=4), claim("b", at=6)) == ()


def test_a_worker_runs_an_urgent_job_first_if_it_waited_when_the_worker_began() -> None:
    assert ran(LATER, URGENT, WORK, order="ab", deduplicates="job") == ()
    traits = Traits(WORKS, False, False, promises=declared({"order": "priority"}))
    late = replace(WORK, invoked_at=3)
    seen = [
        of(evidence(LATER, URGENT, worker, delivered=None, traits=traits), "ab")
        for worker in (WORK, replace(late, invoked_at=2))
    ]
    assert seen == [("a was run before b, which has a higher priority.",), ()]


def test_an_order_by_priority_needs_an_enqueue_that_takes_one() -> None:
    promises = declared({"order": "priority"})
    calls = frozenset({"enqueue", "claim"})
    takes = Traits(calls, False, False, promises=promises)
    lacks = replace(takes, accepts={"enqueue": frozenset({"job_id"})})
    why_not = INVARIANTS["queue-order"].why_not
    assert (why_not(takes), "takes no priority" in why_not(lacks)) == ("", True)
