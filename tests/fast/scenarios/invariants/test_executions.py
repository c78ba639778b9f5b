"""Invariants on executions: jobs that did not run, ran too often, ran unasked, or stopped the worker."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence, Traits
from midpipe.scenarios.model.history import Completion, Execution, Json, Operation, Phase
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import call, evidence

TRAITS = Traits(frozenset({"enqueue", "work", "cancel"}), white_box=False, new_schema=False)
IDS = (
    "no-lost-job",
    "no-stuck-job",
    "no-duplicate",
    "no-ghost",
    "worker-lives",
    "queue-order",
)
NAMED = {"j": frozenset({"queue"})}
RAN = Execution("j", Phase.PROGRAM, has_ended=True)
RAN_LATER = Execution("j", Phase.RECOVERY, has_ended=True)
STARTED = Execution("j", Phase.PROGRAM)


def seen(
    *operations: Operation,
    runs: tuple[Execution, ...] = (),
    named: bool = False,
    **promises: str | float,
) -> Evidence:
    """What was seen of a subject whose worker runs the jobs; job j was enqueued before the case."""
    traits = replace(TRAITS, promises=declared(promises))
    enqueued = call(phase=Phase.PREPARE, value=None)
    found = evidence(enqueued, *operations, traits=traits, delivered=None)
    return replace(found, executions=runs, named=NAMED if named else {})


def work(*, at: int = 2, faulted: bool = False, died: bool = False) -> Operation:
    run = replace(call("work", "", at=at, value=None), faulted=faulted or died)
    return replace(run, caller_died=died)


def violated(found: Evidence) -> set[str]:
    return {name for name in IDS if INVARIANTS[name].check(found).violations}


def test_a_job_that_ran_once_is_well() -> None:
    assert violated(seen(work(), runs=(RAN,))) == set()


def test_a_job_that_no_key_names_and_that_never_ran_is_lost() -> None:
    assert violated(seen(work())) == {"no-lost-job"}


def test_a_job_that_a_key_still_names_and_that_never_ran_is_stuck() -> None:
    assert violated(seen(work(), named=True)) == {"no-stuck-job"}


def test_a_job_that_enqueue_says_was_in_already_and_that_never_runs_is_stuck() -> None:
    refused = call("enqueue", at=1, value=False)
    traits = replace(TRAITS, promises=declared({}))
    found = evidence(refused, work(at=3), traits=traits, delivered=None)
    assert violated(replace(found, named=NAMED)) == {"no-stuck-job"}
    assert violated(replace(found, executions=(RAN,), named=NAMED)) == set()


def test_what_a_disturbed_worker_left_is_stuck_only_if_its_return_is_promised_in_time() -> None:
    assert violated(seen(work(faulted=True), named=True)) == set()
    assert violated(seen(work(faulted=True), named=True, recovers_within_s=60.0)) == set()
    assert violated(seen(work(faulted=True), named=True, recovers_within_s=1.0)) == {"no-stuck-job"}


@pytest.mark.parametrize(
    ("after_crash", "expected"), [("fails", set()), ("reruns", {"no-stuck-job"})]
)
def test_a_job_that_is_marked_failed_after_a_disturbed_worker_is_well_if_that_is_promised(
    after_crash: str, expected: set[str]
) -> None:
    left = seen(work(faulted=True), named=True, after_crash=after_crash, recovers_within_s=1.0)
    assert violated(replace(left, given_up=frozenset({"j"}))) == expected


def test_a_job_whose_body_never_ended_has_not_run() -> None:
    assert violated(seen(work(died=True), runs=(STARTED,))) == {"no-lost-job"}


@pytest.mark.parametrize("after_crash", ["fails", "lost"])
def test_a_dead_workers_job_may_end_as_promised(after_crash: str) -> None:
    found = seen(work(died=True), runs=(STARTED,), after_crash=after_crash)
    assert violated(found) == set()


def test_what_is_promised_of_a_crash_excuses_no_job_that_had_not_started_and_no_other_fault() -> (
    None
):
    assert violated(seen(work(died=True), after_crash="lost")) == {"no-lost-job"}
    cut = seen(work(faulted=True), runs=(STARTED,), after_crash="lost")
    assert violated(cut) == {"no-lost-job"}


def test_one_dead_worker_of_several_is_enough() -> None:
    both = (work(died=True), replace(work(), client="B"))
    assert violated(seen(*both, runs=(STARTED,), after_crash="lost")) == set()


def test_a_job_that_is_not_marked_failed_is_missing_although_that_is_promised_after_a_crash() -> (
    None
):
    left = seen(work(faulted=True), named=True, after_crash="fails", recovers_within_s=1.0)
    assert violated(left) == {"no-stuck-job"}


@pytest.mark.parametrize(
    ("runs", "what"), [((), "no worker ever runs it"), ((STARTED,), "it starts and never ends")]
)
def test_a_violation_says_whether_the_missing_job_has_started(
    runs: tuple[Execution, ...], what: str
) -> None:
    (violation,) = INVARIANTS["no-lost-job"].check(seen(work(), runs=runs)).violations
    assert violation.seen == f"enqueue answered None for j, but {what}."


def asked(body: str, *runs: Execution, **promises: str | float) -> Evidence:
    """What was seen of a job whose body was to do that."""
    traits = replace(TRAITS, promises=declared(promises))
    found = replace(seen(work(), runs=runs), traits=traits)
    first, *others = found.history
    named = replace(first, arguments={**first.arguments, "params": {"body": body}})
    return replace(found, history=(named, *others))


def test_a_job_whose_body_raised_is_not_lost_because_no_queue_need_run_it_again() -> None:
    assert violated(asked("fail-once", STARTED)) == set()
    assert violated(asked("fail-once")) == {"no-lost-job"}


@pytest.mark.parametrize(
    ("promises", "expected"),
    [
        ({"after_failure": "reruns"}, {"no-lost-job"}),
        ({"after_failure": "fails"}, {"no-lost-job"}),
        ({"after_failure": "lost"}, set()),
        ({}, set()),
    ],
)
def test_a_job_that_failed_once_may_vanish_only_if_nothing_further_is_promised_of_it(
    promises: dict[str, str], expected: set[str]
) -> None:
    assert violated(asked("fail-once", STARTED, **promises)) == expected


@pytest.mark.parametrize("runs", [(STARTED, STARTED), (STARTED, RAN_LATER)])
def test_a_job_that_was_tried_again_need_not_be_tried_further(runs: tuple[Execution, ...]) -> None:
    assert violated(asked("fail", *runs, after_failure="reruns")) == set()


@pytest.mark.parametrize(
    ("promise", "where", "expected"),
    [
        ("reruns", {"kept_apart"}, set()),
        ("reruns", {"given_up"}, set()),
        ("reruns", set(), {"no-stuck-job"}),
        ("fails", set(), set()),
    ],
)
def test_a_failed_job_that_stays_in_redis_is_kept_if_it_is_somewhere_else_than_when_it_was_enqueued(
    promise: str, where: set[str], expected: set[str]
) -> None:
    found = asked("fail-once", STARTED, after_failure=promise)
    given_up, kept_apart = (
        frozenset({"j"} if name in where else ()) for name in ("given_up", "kept_apart")
    )
    left = replace(found, named=NAMED, given_up=given_up, kept_apart=kept_apart)
    assert violated(left) == expected


def test_a_failed_job_of_which_only_a_count_is_left_is_lost_and_not_stuck() -> None:
    found = replace(asked("fail-once", STARTED, after_failure="reruns"), named=NAMED)
    assert violated(replace(found, vanished=frozenset({"j"}))) == {"no-lost-job"}


@pytest.mark.parametrize(
    ("run", "promises", "expected"),
    [
        (work(died=True), {"after_crash": "lost"}, set()),
        (work(died=True), {"after_crash": "reruns"}, {"no-lost-job"}),
        (work(faulted=True), {"after_crash": "lost"}, {"no-lost-job"}),
        (work(faulted=True), {"delivery": "at-most-once"}, set()),
    ],
)
def test_a_worker_that_is_disturbed_as_it_reports_a_failure_may_lose_what_it_may_lose_anyway(
    run: Operation, promises: dict[str, str], expected: set[str]
) -> None:
    found = asked("fail-once", STARTED, after_failure="reruns", **promises)
    assert violated(replace(found, history=(found.history[0], run))) == expected


def test_a_job_that_killed_its_worker_is_judged_as_after_a_crash() -> None:
    assert violated(asked("die-once", STARTED)) == {"no-lost-job"}
    assert violated(asked("die-once", STARTED, after_crash="lost")) == set()
    assert violated(asked("die-once", STARTED, delivery="at-most-once")) == set()
    assert violated(asked("die-once", STARTED, RAN, RAN)) == set()
    assert violated(asked("die-once", RAN, RAN, delivery="at-most-once")) == {"no-duplicate"}


def test_only_the_body_of_the_job_itself_explains_that_it_did_not_end() -> None:
    params = {"body": "fail-once"}
    other = call(job_id="k", phase=Phase.PREPARE, value=None, params=params, request=2)
    started = seen(other, work(), runs=(STARTED, Execution("k", Phase.PROGRAM)))
    assert violated(started) == {"no-lost-job"}


def test_one_job_that_kills_its_worker_is_enough_to_disturb_it() -> None:
    params = {"body": "die-once"}
    killer = call(job_id="k", phase=Phase.PREPARE, value=None, params=params, request=2)
    runs = (STARTED, Execution("k", Phase.PROGRAM))
    assert violated(seen(killer, work(), runs=runs, after_crash="lost")) == set()


def cancel(job_id: str = "j", *, value: Json = True, error: str = "") -> Operation:
    return call("cancel", job_id, at=2, value=value, error=error)


def test_a_job_that_a_cancel_may_have_reached_need_not_run() -> None:
    assert violated(seen(cancel(), work(at=4))) == set()
    assert violated(seen(cancel(error="ConnectionError"), work(at=4))) == set()
    assert violated(seen(cancel(value=False), work(at=4))) == {"no-lost-job"}
    assert violated(seen(cancel("k"), work(at=4))) == {"no-lost-job"}


def test_at_most_once_allows_a_loss_in_a_disturbed_worker_only() -> None:
    assert violated(seen(work(faulted=True), delivery="at-most-once")) == set()
    assert violated(seen(work(), delivery="at-most-once")) == {"no-lost-job"}


@pytest.mark.parametrize(
    ("delivery", "run", "expected"),
    [
        ("at-least-once", work(), {"no-duplicate"}),
        ("at-least-once", work(faulted=True), set()),
        ("exactly-once", work(faulted=True), {"no-duplicate"}),
        ("exactly-once", work(died=True), set()),
        ("at-most-once", work(died=True), {"no-duplicate"}),
    ],
)
def test_a_second_run_needs_the_explanation_that_the_promise_allows(
    delivery: str, run: Operation, expected: set[str]
) -> None:
    assert violated(seen(run, runs=(RAN, RAN_LATER), delivery=delivery)) == expected


@pytest.mark.parametrize("deduplicates", ["none", "job"])
@pytest.mark.parametrize("delivery", ["at-least-once", "at-most-once", "exactly-once"])
def test_a_job_whose_one_enqueue_put_it_in_twice_does_not_run_twice(
    delivery: str, deduplicates: str
) -> None:
    lost_its_reply = replace(call(job_id="k", at=2, value=None), faulted=True)
    twice = (Execution("k", Phase.PROGRAM, has_ended=True),) * 2
    runs = (RAN, *twice)
    found = seen(
        lost_its_reply, work(at=4), runs=runs, delivery=delivery, deduplicates=deduplicates
    )
    assert violated(found) == {"no-duplicate"}


def test_a_lost_answer_of_another_job_or_none_at_all_explains_no_second_run() -> None:
    lost = replace(call(job_id="other", at=2, value=None), faulted=True)
    answered = call(job_id="k", at=4, value=None)
    twice = (Execution("k", Phase.PROGRAM, has_ended=True),) * 2
    found = seen(lost, answered, work(at=6), runs=(RAN, *twice), deduplicates="none")
    assert "no-duplicate" in violated(found)


def test_two_enqueues_of_one_job_account_for_two_runs_unless_the_queue_deduplicates() -> None:
    again = call(at=2, value=None)
    assert violated(seen(again, work(at=4), runs=(RAN, RAN_LATER))) == set()
    assert violated(seen(again, work(at=4), runs=(RAN, RAN_LATER), deduplicates="job")) == {
        "no-duplicate"
    }


@pytest.mark.parametrize(
    "other",
    [
        replace(call(at=2, error="ConnectionError", wrote=False), completion=Completion.FAIL),
        call(at=2, value=False),
        call(job_id="k", at=2, value=None),
        call("get_job", at=2, value=None),
    ],
    ids=["surely failed", "refused", "of another job", "no enqueue"],
)
def test_nothing_but_an_enqueue_that_may_have_put_the_job_in_accounts_for_a_run(
    other: Operation,
) -> None:
    runs = (RAN, RAN_LATER, Execution("k", Phase.PROGRAM, has_ended=True))
    assert "no-duplicate" in violated(seen(other, work(at=4), runs=runs))


def test_a_job_that_no_caller_enqueued_is_a_ghost() -> None:
    assert violated(seen(work(), runs=(RAN, Execution("k", Phase.PROGRAM, has_ended=True)))) == {
        "no-ghost"
    }


def test_a_job_that_runs_after_it_was_cancelled_is_a_ghost() -> None:
    cancelled = call("cancel", at=2, value=True)
    assert violated(seen(cancelled, runs=(RAN_LATER,))) == {"no-ghost"}
    assert violated(seen(cancelled)) == set()


def test_a_worker_that_runs_nothing_after_a_fault_while_jobs_wait_does_not_live() -> None:
    other = call(job_id="k", phase=Phase.PREPARE, value=None)
    later = (RAN_LATER, Execution("k", Phase.RECOVERY, has_ended=True))
    stopped = seen(other, work(at=2, faulted=True), work(at=4), runs=later)
    assert violated(stopped) == {"worker-lives"}
    goes_on = seen(other, work(at=2, faulted=True), work(at=4), runs=(RAN, later[1]))
    assert violated(goes_on) == set()


@pytest.mark.parametrize(
    ("runs", "later", "expected"),
    [
        ((work(at=1), work(at=5), work(at=7)), (RAN_LATER,), {"worker-lives"}),
        ((work(at=1), work(at=5), work(at=7)), (RAN,), set()),
        ((work(at=1), work(at=5)), (RAN_LATER,), set()),
        ((work(at=1), work(at=5, faulted=True), work(at=7)), (RAN_LATER,), set()),
        ((work(at=5), work(at=7)), (RAN_LATER,), set()),
    ],
)
def test_an_idle_worker_that_twice_runs_nothing_while_a_job_waits_does_not_live(
    runs: tuple[Operation, ...], later: tuple[Execution, ...], expected: set[str]
) -> None:
    traits = replace(TRAITS, promises=declared({}))
    calls = sorted((*runs, call(at=3, value=None)), key=lambda each: each.invoked_at)
    found = evidence(*calls, traits=traits, delivered=None)
    assert violated(replace(found, executions=later)) == expected


@pytest.mark.parametrize(
    ("started", "order", "expected"),
    [
        ("jk", "fifo", set()),
        ("kj", "fifo", {"queue-order"}),
        ("kjk", "fifo", set()),
    ],
)
def test_a_worker_of_a_fifo_queue_runs_the_job_first_that_was_enqueued_first(
    started: str, order: str, expected: set[str]
) -> None:
    other = call(job_id="k", at=2, phase=Phase.PREPARE, value=None)
    runs = tuple(Execution(job, Phase.PROGRAM, has_ended=job != "k") for job in started)
    ended = (
        (*runs, Execution("k", Phase.RECOVERY, has_ended=True))
        if len(runs) > 2
        else tuple(replace(run, has_ended=True) for run in runs)
    )
    assert violated(seen(other, work(at=4), runs=ended, order=order)) == expected


@pytest.mark.parametrize(
    ("ms", "promises", "expected"),
    [
        (100.0, {"recovers_within_s": 1.0}, {"no-duplicate"}),
        (400.0, {"recovers_within_s": 1.0}, set()),
        (400.0, {"recovers_within_s": 1.0, "visibility_timeout_s": 0.9}, {"no-duplicate"}),
        (400.0, {}, {"no-duplicate"}),
        (400.0, {"recovers_within_s": 1.0, "delivery": "exactly-once"}, {"no-duplicate"}),
    ],
)
def test_a_second_worker_may_get_a_job_that_the_first_one_held_for_longer_than_a_lease(
    ms: float, promises: dict[str, Any], expected: set[str]
) -> None:
    slow = replace(work(), duration_ms=ms)
    other = replace(work(), client="B")
    assert violated(seen(slow, other, runs=(RAN, RAN), **promises)) == expected
    assert violated(seen(slow, runs=(RAN, RAN), **promises)) == {"no-duplicate"}


@pytest.mark.parametrize(("passed_s", "expected"), [(29.0, {"no-duplicate"}), (30.0, set())])
def test_on_a_stepped_clock_a_job_was_held_for_as_long_as_the_program_took(
    passed_s: float, expected: set[str]
) -> None:
    workers = (replace(work(), duration_ms=100_000.0), replace(work(), client="B"))
    found = seen(*workers, runs=(RAN, RAN), visibility_timeout_s=30.0)
    assert violated(replace(found, passed_s=passed_s)) == expected


def test_a_job_that_was_held_for_exactly_as_long_as_a_lease_may_be_given_to_another_worker() -> (
    None
):
    workers = (replace(work(), duration_ms=400.0), replace(work(), client="B"))
    assert violated(seen(*workers, runs=(RAN, RAN), visibility_timeout_s=0.4)) == set()
