"""Of each condition under which a status counts as undone: a history in which that condition decides."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from midpipe.scenarios.invariants import INVARIANTS, status_order
from midpipe.scenarios.invariants.status_register import check_status
from midpipe.scenarios.model.history import Completion, Operation
from tests.fast.scenarios.invariants.histories import WHITE_BOX, call, evidence, tables
from tests.fast.scenarios.invariants.statuses import (
    NO_ORDER,
    UNDONE,
    claimed,
    done,
    read,
    said,
    said_of,
    update,
)

# --- what a read may show --------------------------------------------------------------------------------


def test_a_read_that_no_longer_finds_an_updated_job_says_so() -> None:
    assert said(call(), update(at=2), read(at=4), final="running") == (
        "A later read says j is not found; the acknowledged status is running.",
    )


@pytest.mark.parametrize(
    "unrelated",
    [
        read("pending", at=6, job_id="i"),
        read("pending", at=6, workspace_id="globex"),
        replace(read(at=6), completion=Completion.INFO),
    ],
    ids=["of another job", "by another workspace", "without an answer"],
)
def test_only_an_answer_to_the_job_s_own_workspace_shows_its_status(unrelated: Operation) -> None:
    other = replace(
        update("pending", at=4, job_id="i"),
        arguments={"job_id": "i", "status": "pending", "workspace_id": "globex"},
    )
    assert said(call(), update(at=2), other, unrelated, final="running") == ()


def test_in_the_final_state_only_the_job_itself_in_its_own_workspace_counts() -> None:
    jobs = {
        ("j", "acme"): {"status": "running"},
        ("j", "globex"): {"status": "pending"},
        ("i", "acme"): {"status": "pending"},
    }
    assert said_of(replace(evidence(call(), update(at=2)), read_back=jobs)) == ()


def test_a_read_may_not_show_an_update_that_is_made_after_it() -> None:
    history = (call(), update(at=2), read("completed", at=4), update("completed", at=5))
    assert said(*history, final="completed") == (
        "A later read says j is completed; the acknowledged status is running.",
    )


def test_a_read_that_begins_as_an_update_is_acknowledged_shows_it() -> None:
    assert said(call(), update(at=2), read("pending", at=3), final="running") == (
        "A later read says j is pending; the acknowledged status is running.",
    )


def test_the_status_of_another_job_is_not_allowed() -> None:
    other = update("failed", at=4, job_id="i")
    assert said(call(), update(at=2), other, final="failed") == (
        "In the final state, j is failed; the acknowledged status is running.",
    )


def test_an_update_is_undone_once_any_further_one_was_acknowledged() -> None:
    history = (call(), update(at=2), update("completed", at=3))
    assert said(*history, final="running") == (
        "In the final state, j is running; the acknowledged status is completed.",
    )


@pytest.mark.parametrize("final", ["completed", "failed"])
def test_of_two_ends_the_queue_may_keep_either(final: str) -> None:
    assert said(call(), update("completed", at=2), update("failed", at=4), final=final) == ()


def test_a_step_back_does_not_supersede_an_end() -> None:
    assert said(call(), update("completed", at=2), update(at=4), final="completed") == ()


def test_no_read_may_show_an_update_that_surely_had_no_effect() -> None:
    failed = replace(update("completed", at=4), completion=Completion.FAIL)
    assert said(call(), update(at=2), failed, final="completed") == (
        "In the final state, j is completed; the acknowledged status is running.",
    )


def test_an_end_from_which_the_queue_has_stepped_back_does_not_return_by_itself() -> None:
    history = (call(), update("completed", at=2), update(at=4))
    reads = (read("running", at=6), read("completed", at=8))
    assert said(*history, *reads, final="completed") == (
        "Of j, no order of the calls explains a read of completed.",
    )


def test_of_two_concurrent_updates_either_may_be_the_last() -> None:
    history = (call(), update("completed", at=3), update(at=2, until=8))
    assert said(*history, final="running") == ()


# --- what sets a status ----------------------------------------------------------------------------------


def test_an_acknowledged_completion_sets_a_status_and_a_refused_one_sets_none() -> None:
    assert said(call(), done(at=2), final="pending") == (
        "In the final state, j is pending; the acknowledged status is completed.",
    )
    assert said(call(), done(at=2, value=False), final="pending") == ()


def test_a_completion_that_was_acknowledged_shows_that_its_job_existed() -> None:
    assert said(call(error="TimeoutError"), done(at=2), final="pending") != ()


def test_a_status_that_is_no_text_sets_none() -> None:
    assert said(call(), update(3, at=2), final="pending") == ()


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        (call("cancel", at=4), ()),
        (call("cancel", at=4, value=False), UNDONE),
        (call("cancel", "i", at=4), UNDONE),
        (call("work", "", at=4, value=None), ()),
    ],
    ids=["a cancel", "a cancel that was refused", "a cancel of another job", "the own worker"],
)
def test_a_call_that_gives_no_status_may_set_any(
    moved: Operation, expected: tuple[str, ...]
) -> None:
    assert said(call(), update(at=2), moved, final="pending") == expected


CLAIM_CUT = replace(claimed(at=4), completion=Completion.INFO, value=None)


@pytest.mark.parametrize(
    ("taken", "is_judged"),
    [
        (claimed(at=4), False),
        (call("dequeue", "", at=4, value="j"), False),
        (CLAIM_CUT, False),
        (claimed("i", at=4), True),
        (replace(CLAIM_CUT, completion=Completion.FAIL), True),
        (claimed(at=7), True),
    ],
    ids=["claimed", "dequeued", "without an answer", "another job", "without effect", "later"],
)
def test_a_job_that_a_worker_may_have_got_may_be_running(taken: Operation, is_judged: bool) -> None:
    history = (call(), update("pending", at=2), read("running", at=6), update(at=8), taken)
    found = ("A later read says j is running; the acknowledged status is pending.",)
    assert said(*history, final="running") == (found if is_judged else ())


def test_a_claim_of_a_job_that_was_completed_does_not_excuse_that_it_is_running() -> None:
    assert said(call(), done(at=2), claimed(at=4), final="running") == (
        "In the final state, j is running; the acknowledged status is completed.",
    )


# --- what returns to the queue ---------------------------------------------------------------------------


def test_a_job_that_its_worker_gave_back_may_become_pending_again() -> None:
    assert said(call(), update(at=2), final="pending") == UNDONE
    assert said(call(), update(at=2), call("fail", at=4), final="pending") == ()


def test_a_job_may_become_pending_again_once_all_leases_have_ended() -> None:
    seen = evidence(call(), update(at=2), found=("j",))
    assert said_of(seen) == UNDONE
    assert said_of(replace(seen, leases_ended=True)) == ()


def test_one_acknowledged_end_of_several_updates_is_not_undone_by_a_lease_that_ends() -> None:
    history = (call(), update(at=2), update("completed", at=4), call("fail", at=6))
    assert said(*history, final="pending") == (
        "In the final state, j is pending; the acknowledged status is completed.",
    )


# --- whether the job surely existed ----------------------------------------------------------------------


def test_a_job_that_was_seeded_existed_from_the_start() -> None:
    history = (update(), call(at=2, value=False))
    assert said_of(evidence(*history, states=(tables("j"),), found=("j",))) == UNDONE
    assert said_of(evidence(*history, found=("j",))) == ()


def test_a_job_that_no_call_has_put_in_and_no_read_finds_may_not_exist() -> None:
    assert said(update(), read(at=2)) == ()


def test_a_job_that_no_call_has_put_in_existed_if_it_is_ever_seen() -> None:
    seen = call("get_job", at=2, value={"job_id": "j", "status": "pending"})
    undone = ("A later read says j is pending; the acknowledged status is running.",)
    assert said(update(), seen) == undone
    assert said(update(), seen, call("get_job", "i", at=4, value=None)) == undone


def test_an_enqueue_of_another_job_says_nothing_of_this_one() -> None:
    assert said(update(), call(job_id="i", at=2), final="pending") == UNDONE
    late = call(at=6, request=2)
    assert said(call(job_id="i"), update(at=2), late, final="pending") == ()


@pytest.mark.parametrize(
    "put",
    [
        call(error="TimeoutError"),
        call(value=False, wrote=False),
        call("get_job", value=None),
        call("get_job", "i", value={"job_id": "i", "status": "pending"}),
    ],
    ids=["without an answer", "refused", "a read that finds none", "a read of another job"],
)
def test_what_does_not_show_that_the_job_exists_makes_no_update_certain(put: Operation) -> None:
    assert said(put, update(at=2), call(at=4, request=2), final="pending") == ()


def test_a_job_exists_once_a_read_has_returned_it() -> None:
    read_back = call("get_job", at=1, value={"job_id": "j"}, request=5)
    assert said(call(error="TimeoutError"), read_back, update(at=2), final="pending") == UNDONE


def test_a_job_exists_as_soon_as_its_enqueue_has_answered() -> None:
    assert said(call(), update(at=1), final="pending") == UNDONE


# --- the register ----------------------------------------------------------------------------------------


def test_an_update_that_disappears_between_two_reads_has_no_order() -> None:
    history = (read("running", at=2), read("pending", at=4), update(at=1, until=9))
    assert said(*history, final="running") == NO_ORDER
    seen = evidence(*history, found=("j",), status="running")
    assert said_of(replace(seen, traits=replace(WHITE_BOX, shows_running=False))) == NO_ORDER


@pytest.mark.parametrize(
    "back",
    [
        read("pending", at=4, workspace_id="globex"),
        read("pending", at=4, job_id="i"),
        read(at=4),
        call(at=4, value={"job_id": "j", "status": "pending"}),
    ],
    ids=["of another workspace", "of another job", "that finds none", "no read"],
)
def test_only_a_read_of_the_job_by_its_workspace_has_a_place_in_the_order(back: Operation) -> None:
    history = (read("running", at=2), back, update(at=1, until=9))
    assert said(*history, final="running") == ()


def test_a_violation_of_one_job_hides_none_of_another() -> None:
    first = update(at=0, job_id="a")
    jobs = {("a", "acme"): {"status": "pending"}, ("j", "acme"): {"status": "running"}}
    history = (first, read("running", at=2), read("pending", at=4), update(at=1, until=9))
    assert said_of(replace(evidence(*history), read_back=jobs)) == (
        "In the final state, a is pending; the acknowledged status is running.",
        *NO_ORDER,
    )


def test_a_claim_sets_a_status_where_reads_show_one() -> None:
    history = (claimed(), read("pending", at=2), done(at=4))
    seen = evidence(*history, found=("j",), status="completed")
    assert said_of(seen) == NO_ORDER
    hidden = replace(WHITE_BOX, shows_running=False)
    assert said_of(replace(seen, traits=hidden)) == ()


@pytest.mark.parametrize(
    "other",
    [claimed("i", at=1, until=9), replace(update(at=0), completion=Completion.FAIL)],
    ids=["a claim of another job", "an update that surely failed"],
)
def test_a_read_of_running_needs_a_call_that_made_the_job_run(other: Operation) -> None:
    assert said(other, read("running", at=2), update("completed", at=6), final="completed") == (
        "Of j, no order of the calls explains a read of running.",
    )


@pytest.mark.parametrize(
    "taken",
    [call("dequeue", "", value="j"), replace(CLAIM_CUT, invoked_at=0, completed_at=1)],
    ids=["a dequeue", "a claim without an answer"],
)
@pytest.mark.parametrize("shown", ["pending", "running"])
def test_a_call_by_which_a_worker_may_have_got_the_job_may_set_a_status(
    taken: Operation, shown: str
) -> None:
    history = (taken, read(shown, at=2), update("completed", at=6))
    assert said(*history, final="completed") == ()


def test_a_claim_without_an_answer_may_take_effect_late() -> None:
    cut = replace(CLAIM_CUT, invoked_at=0, completed_at=1)
    history = (cut, read("pending", at=2), read("running", at=4), update("completed", at=6))
    assert said(*history, final="completed") == ()


def test_an_update_without_an_answer_may_take_effect_late_or_never() -> None:
    late = (update(error="TimeoutError"), read("pending", at=2), read("running", at=4))
    assert said(*late, update("completed", at=6), final="completed") == ()
    never = (update(error="TimeoutError"), read("pending", at=2))
    assert said(*never, update("completed", at=6), final="completed") == ()


def test_a_job_that_returned_to_the_queue_is_not_held_against_the_order() -> None:
    ended = replace(claimed(), arguments={"lease_s": 0.001})
    history = (ended, read("running", at=2), read("pending", at=4), update(at=6))
    assert said(*history, final="running") == ()


def test_a_job_with_too_many_possible_orders_is_not_counted_as_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = INVARIANTS["status-order"].check
    seen = evidence(read("running", at=2), update(at=1, until=9), found=("j",), status="running")
    assert check(seen).observations == 1
    monkeypatch.setattr(status_order, "check_status", partial(check_status, most=0))
    assert check(seen).observations == 0


@pytest.mark.parametrize("last", [done(at=2), update("completed", at=2)], ids=lambda o: o.method)
def test_the_call_that_last_set_the_status_is_the_one_named(last: Operation) -> None:
    seen = evidence(call(), last, found=("j",), status="pending")
    (violation,) = INVARIANTS["status-order"].check(seen).violations
    assert violation.method == last.method
