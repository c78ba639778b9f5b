"""Each invariant on an empty, a sane and a pathological history, written as literals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.history import Json, Operation, Phase
from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.model.state import Tables
from tests.fast.scenarios.invariants.histories import (
    BLACK_BOX,
    EMPTY,
    call,
    evidence,
    fields,
    seen,
    tables,
)


@pytest.mark.parametrize("invariant", sorted(INVARIANTS))
def test_an_empty_history_violates_no_invariant(invariant: str) -> None:
    assert INVARIANTS[invariant].check(evidence()).violations == ()


@pytest.mark.parametrize("invariant", sorted(set(INVARIANTS) - {"quiet-logs"}))
def test_an_empty_history_gives_nothing_to_check(invariant: str) -> None:
    assert INVARIANTS[invariant].check(evidence()).observations == 0


@pytest.mark.parametrize("invariant", sorted(INVARIANTS))
def test_a_job_that_is_enqueued_and_delivered_violates_no_invariant(invariant: str) -> None:
    sane = evidence(
        call(request_id="r", state_after=1),
        call("get_job", at=2, value={"job_id": "j", "status": "pending", "workspace_id": "acme"}),
        call("list_jobs", at=4, value=[{"job_id": "j", "workspace_id": "acme"}]),
        states=(EMPTY, tables("j", r="j")),
        delivered=("j",),
        found=("j",),
    )
    assert INVARIANTS[invariant].check(sane).violations == ()


def test_an_acknowledged_job_that_get_job_does_not_find_is_lost() -> None:
    assert seen("no-lost-job", call()) == (
        "enqueue answered True for j, but get_job finds no such job.",
    )


def test_an_acknowledged_job_that_never_runs_is_lost() -> None:
    assert seen("no-lost-job", call(), found=("j",)) == (
        "enqueue answered True for j, but no worker ever receives it.",
    )


def test_a_job_that_has_moved_on_needs_no_delivery() -> None:
    assert seen("no-lost-job", call(), found=("j",), status="completed") == ()


def test_a_prepared_job_that_no_worker_receives_is_lost() -> None:
    prepared = call(phase=Phase.PREPARE)
    assert seen("no-lost-job", prepared, states=(tables("j"), tables()), found=("j",)) == (
        "enqueue answered True for j, but no worker ever receives it.",
    )


def test_a_prepared_job_that_the_seed_removes_is_not_lost() -> None:
    assert seen("no-lost-job", call(phase=Phase.PREPARE)) == ()


def test_a_retry_that_is_answered_false_for_a_job_that_does_not_exist_loses_it() -> None:
    history = (
        call(error="ConnectionError", request_id="r"),
        call(value=False, attempt=2, at=2, request_id="r"),
    )
    assert seen("no-lost-job", *history) == (
        "enqueue answered False for j, but get_job finds no such job.",
    )
    assert seen("retry-succeeds", *history) == (
        "enqueue raised ConnectionError; its retry answered False, but get_job finds no such job.",
    )


def test_a_failed_request_whose_caller_died_was_not_retried() -> None:
    failed = call(error="ConnectionError")
    died = replace(call(at=2, error="Crash", attempt=2), caller_died=True)
    assert INVARIANTS["retry-succeeds"].check(evidence(failed, died)).observations == 0


@pytest.mark.parametrize(("other_ended_at", "is_judged"), [(2, True), (9, False)])
def test_a_retry_that_ran_inside_another_clients_outage_is_not_counted(
    other_ended_at: int, is_judged: bool
) -> None:
    retried = tuple(
        call(error="OutOfMemoryError", attempt=attempt, at=2 + attempt) for attempt in range(1, 5)
    )
    outage = replace(
        call("claim", error="OutOfMemoryError"), client="B", completed_at=other_ended_at
    )
    judged = INVARIANTS["retry-succeeds"].check(evidence(*retried, outage))
    assert (judged.observations, len(judged.violations)) == (is_judged, is_judged)


def test_a_retry_that_is_answered_false_is_right_if_the_job_exists() -> None:
    history = (
        call(error="ConnectionError", request_id="r"),
        call(value=False, attempt=2, at=2, request_id="r"),
    )
    assert seen("retry-succeeds", *history, delivered=("j",), found=("j",)) == ()


def test_an_answer_to_a_duplicate_request_refers_to_the_job_of_the_first() -> None:
    history = (
        call(job_id="first", request_id="r"),
        call(job_id="second", request_id="r", value=False, at=2, request=2),
    )
    assert seen("no-lost-job", *history, delivered=("first",), found=("first",)) == ()


def test_an_answer_does_not_refer_to_a_job_of_another_workspace() -> None:
    history = (
        call(job_id="first", request_id="r"),
        call(job_id="second", request_id="r", workspace_id="globex", value=False, at=2, request=2),
    )
    assert seen("no-lost-job", *history, delivered=("first",), found=("first",)) == (
        "enqueue answered False for second, but get_job finds no such job.",
    )


def test_a_request_that_still_raises_after_its_retries_did_not_succeed() -> None:
    history = tuple(
        call(error="ConnectionError", attempt=attempt, at=attempt) for attempt in range(1, 5)
    )
    assert seen("retry-succeeds", *history) == (
        "enqueue raised ConnectionError, and after 3 retries it still raised ConnectionError.",
    )


def test_a_read_that_misses_a_job_which_existed_all_the_time_is_untrue() -> None:
    read = call("get_job", value=None)
    copied = tables("j")
    old_only, new_only = replace(copied, new={}), replace(copied, old={})
    assert seen("answer-is-true", read, states=(old_only, copied, new_only)) == (
        "get_job answered None, although j existed during the whole case.",
    )


def test_a_read_may_miss_a_job_of_another_workspace_or_one_enqueued_during_the_case() -> None:
    other = call("get_job", value=None, workspace_id="globex")
    assert seen("answer-is-true", other, states=(tables("j"),)) == ()
    early = call("get_job", value=None)
    assert seen("answer-is-true", early, states=(EMPTY, tables("j"))) == ()


def test_one_request_in_two_jobs_is_a_duplicate() -> None:
    history = (
        call(job_id="a", request_id="r", error="TimeoutError"),
        call(job_id="b", request_id="r", attempt=2, at=2),
    )
    assert seen("no-duplicate", *history, found=("a", "b"), delivered=("a", "b")) == (
        "request r ended in 2 jobs: a, b.",
    )


def test_a_job_with_two_places_in_the_queue_is_a_duplicate_even_if_a_worker_skips_it() -> None:
    state = tables("j")
    twice = Tables(state.old, state.new, ("j", "j"), {})
    assert seen("no-duplicate", call(), states=(twice,), delivered=("j",), found=("j",)) == (
        "After A0, j has 2 places in the queue.",
    )


def test_one_job_in_two_places_of_the_queue_is_a_duplicate() -> None:
    assert seen("no-duplicate", call(), delivered=("j", "j"), found=("j",)) == (
        "j was delivered 2 times.",
    )


def test_a_queued_id_without_data_is_an_orphan() -> None:
    assert seen("no-orphan", states=(EMPTY, Tables({}, {}, ("j",), {}))) == (
        "After A1, j is queued and has no data (also in the final state).",
    )


def test_a_gap_that_closes_again_does_not_last() -> None:
    gap = Tables({}, {}, ("j",), {})
    judgement = INVARIANTS["no-orphan"].check(evidence(states=(EMPTY, gap, tables("j"))))
    assert [(evidence.seen, evidence.lasts) for evidence in judgement.violations] == [
        ("After A1, j is queued and has no data.", False)
    ]


def test_pending_data_without_a_place_is_an_orphan() -> None:
    assert seen("no-orphan", states=(EMPTY, Tables({"j": fields()}, {}, (), {}))) == (
        "After A1, j is pending and not in the queue (also in the final state).",
    )


def test_an_orphan_for_one_moment_is_an_orphan() -> None:
    states = (EMPTY, Tables({"j": fields()}, {}, (), {}), tables("j"))
    assert len(seen("no-orphan", states=states)) == 1


def test_two_schemas_with_different_statuses_diverge() -> None:
    state = Tables({"j": fields(status="running")}, {("acme", "j"): fields()}, ("j",), {})
    assert seen("no-divergence", states=(state,)) == (
        "After A0, j has status='running' in the old schema and 'pending' in the new (also in the final state).",
    )


def test_a_hash_with_a_status_and_nothing_else_is_half_filled() -> None:
    state = Tables({"j": fields()}, {("acme", "j"): {"status": "pending"}}, ("j",), {})
    assert any("lacks job_id" in sentence for sentence in seen("no-divergence", states=(state,)))


def test_a_job_in_one_schema_only_does_not_diverge() -> None:
    assert seen("no-divergence", states=(Tables({"j": fields()}, {}, ("j",), {}),)) == ()


def test_true_for_a_job_that_does_not_exist_is_untrue() -> None:
    assert seen("answer-is-true", call()) == ("enqueue answered True, but j does not exist.",)


def test_false_when_no_job_exists_at_that_moment_is_untrue() -> None:
    assert seen("answer-is-true", call(value=False)) == (
        "enqueue answered False, but no job of that request exists at that moment.",
    )


def test_neither_true_nor_false_is_untrue() -> None:
    assert seen("answer-is-true", call(value=[]), found=("j",)) == (
        "enqueue answered [], which is neither True nor False.",
    )


@pytest.mark.parametrize("answer", [2, "1700000000000-0", {"id": "j"}, None])
def test_an_answer_that_counts_as_true_says_that_the_job_is_in(answer: Json) -> None:
    assert seen("answer-is-true", call(value=answer), found=("j",)) == ()
    assert seen("no-lost-job", call(value=answer), found=("j",), delivered=()) != ()


def test_an_exception_that_leaves_half_a_job_is_untrue() -> None:
    state = Tables({"j": fields()}, {}, (), {})
    assert seen("answer-is-true", call(error="TimeoutError"), states=(state,)) == (
        "enqueue raised TimeoutError and left j half written: "
        "the old hash but not the new hash, a place in the queue.",
    )


@pytest.mark.parametrize("state", [EMPTY, tables("j")])
def test_an_exception_that_leaves_all_or_nothing_is_true(state: Tables) -> None:
    assert seen("answer-is-true", call(error="TimeoutError"), states=(state,)) == ()


def test_black_box_subjects_are_judged_by_their_answers_only() -> None:
    state = Tables({"j": fields()}, {}, (), {})
    assert seen("answer-is-true", call(error="E"), states=(state,), traits=BLACK_BOX) == ()


def test_a_call_beyond_the_bound_is_unbounded() -> None:
    assert seen("bounded-latency", call(duration_ms=5_001.0), found=("j",)) == (
        "enqueue had not returned after 5001 ms; the bound is 5000 ms.",
    )


def test_reading_another_workspaces_job_violates_isolation() -> None:
    read = call("get_job", value={"job_id": "j", "workspace_id": "acme"}, workspace_id="globex")
    assert seen("isolation", read) == ("get_job as globex returned j of acme.",)


def test_listing_another_workspaces_job_violates_isolation() -> None:
    page = {"items": [{"job_id": "j", "workspace_id": "acme"}], "next_cursor": None}
    listing = call("list_jobs", value=page, workspace_id="globex", phase=Phase.RECOVERY)
    assert seen("isolation", listing) == ("list_jobs as globex returned j of acme.",)


def test_malformed_input_that_is_accepted_is_bad() -> None:
    assert seen("bad-input", call(workspace_id=""), malformed=True) == (
        "enqueue with workspace_id='' was accepted.",
    )


def test_malformed_input_that_is_written_before_it_is_refused_is_bad() -> None:
    refused = call(workspace_id="", error="ValueError")
    assert seen("bad-input", refused, malformed=True) == (
        "enqueue with workspace_id='' wrote before it was refused.",
    )


def test_malformed_input_that_is_refused_first_is_fine() -> None:
    refused = call(workspace_id="", error="ValueError", wrote=False)
    assert seen("bad-input", refused, malformed=True) == ()


def test_job_data_in_a_log_line_is_loud() -> None:
    assert seen("quiet-logs", logs=("ERROR queue failed: mark-of-params",)) == (
        "A log line carries job data: 'ERROR queue failed: mark-of-params'.",
    )


def test_only_a_queue_that_promises_it_or_has_the_review_s_keys_must_keep_its_log_quiet() -> None:
    why_not = INVARIANTS["quiet-logs"].why_not
    assert why_not(BLACK_BOX)
    assert not why_not(replace(BLACK_BOX, promises=declared({"logs": "quiet"})))
    assert not why_not(replace(BLACK_BOX, white_box=True))


def test_a_log_line_without_job_data_is_quiet() -> None:
    assert seen("quiet-logs", logs=("ERROR queue could not write job j",)) == ()


def claimed(job_id: str, at: int) -> Operation:
    return call("claim", "", at=at, value={"job_id": job_id} if job_id else None)


def test_a_job_that_overtakes_another_is_out_of_order() -> None:
    history = (call(job_id="a", at=0), call(job_id="b", at=2), claimed("b", 4), claimed("a", 6))
    assert seen("queue-order", *history) == ("b was taken before a, which was put before it.",)


def test_a_claim_that_finds_the_queue_empty_while_a_job_is_pending_is_a_violation() -> None:
    assert seen("queue-order", call(job_id="a", at=0), claimed("", 2), delivered=("a",)) == (
        "a claim found the queue empty while it held a job.",
    )


def test_jobs_that_are_enqueued_concurrently_may_come_in_either_order() -> None:
    first = replace(call(job_id="a", at=0), completed_at=6)
    history = (first, call(job_id="b", at=2), claimed("b", 8), claimed("a", 10))
    assert seen("queue-order", *history) == ()


def test_the_order_of_jobs_that_return_to_the_queue_is_not_judged() -> None:
    history = (call(job_id="a", at=0), claimed("a", 2), call("fail", "a", at=4), claimed("a", 6))
    assert INVARIANTS["queue-order"].check(evidence(*history)).observations == 0


def test_a_refused_enqueue_is_not_blamed_for_the_job_of_another_workspace() -> None:
    theirs = replace(call(workspace_id="globex"), client="B", version="off")
    refused = call(at=2, error="JobExistsError", request=2, state_after=1)
    only_old = Tables(old={"j": fields("j")}, new={}, pending=("j",), requests={})
    violations = seen("answer-is-true", theirs, refused, states=(EMPTY, only_old), found=("j",))
    assert violations == ()
