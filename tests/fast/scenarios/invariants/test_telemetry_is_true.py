"""telemetry-is-true on histories written as literals: what was counted during a call, held against what it came to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.counters import DUAL_WRITES, JOBS, LABELS, LISTS, READS
from midpipe.scenarios.model.history import Counted, Operation
from midpipe.scenarios.model.state import Tables
from tests.fast.scenarios.invariants.histories import (
    EMPTY,
    WHITE_BOX,
    call,
    evidence,
    fields,
    tables,
)

CHECK = INVARIANTS["telemetry-is-true"]
COUNTING = replace(WHITE_BOX, counters=frozenset(LABELS))


def counting(operation: Operation, *counted: tuple[str, str], wrote_job: bool = True) -> Operation:
    """The operation, during which each (metric, label value) increased by one."""
    counts = tuple(
        Counted(metric, ((LABELS[metric], label),) if label else (), 1.0)
        for metric, label in counted
    )
    return replace(operation, counted=counts, wrote_job=wrote_job)


def seen(*history: Operation, states: tuple[Tables, ...] = (EMPTY,)) -> tuple[str, ...]:
    judgement = CHECK.check(evidence(*history, states=states, traits=COUNTING))
    return tuple(evidence.seen for evidence in judgement.violations)


def test_a_subject_without_counters_is_not_judged() -> None:
    assert CHECK.why_not(WHITE_BOX) == "the subject exports no counter that midpipe knows"
    assert CHECK.why_not(COUNTING) == ""


def test_an_empty_history_counts_nothing() -> None:
    judgement = CHECK.check(evidence(traits=COUNTING))
    assert (judgement.observations, judgement.violations) == (0, ())


def test_a_history_whose_calls_count_their_outcomes_is_true() -> None:
    found = {"job_id": "j", "workspace_id": "acme"}
    assert (
        seen(
            counting(call(), (DUAL_WRITES, "succeeded"), (JOBS, "pending")),
            counting(call(value=False, at=2), wrote_job=False),
            counting(call(error="ConnectionError", at=4), (DUAL_WRITES, "failed")),
            counting(
                call("update_status", at=6, status="running", value=None),
                (DUAL_WRITES, "succeeded"),
                (JOBS, "running"),
            ),
            counting(call("get_job", at=8, value=found), (READS, "new"), wrote_job=False),
            counting(call("get_job", "no", at=10, value=None), (READS, "miss"), wrote_job=False),
            counting(call("list_jobs", at=12, value=[]), (LISTS, ""), wrote_job=False),
            states=(tables("j"),),
        )
        == ()
    )


def test_a_write_that_raised_and_counts_as_succeeded_is_untrue() -> None:
    counted = ((DUAL_WRITES, "succeeded"), (DUAL_WRITES, "failed"))
    assert seen(counting(call(error="TimeoutError"), *counted)) == (
        "enqueue raised TimeoutError, but ai_jobs_dual_write{result='succeeded'} increased by 1 instead of 0.",
    )


def test_a_write_that_raised_and_is_not_counted_is_untrue() -> None:
    assert seen(counting(call(error="TimeoutError"))) == (
        "enqueue raised TimeoutError, but ai_jobs_dual_write{result='failed'} increased by 0 instead of 1.",
    )


def test_a_refused_argument_is_no_failed_write() -> None:
    refused = call(error="ValueError", wrote=False)
    assert seen(counting(refused, wrote_job=False)) == ()
    assert len(seen(counting(refused, (DUAL_WRITES, "failed"), wrote_job=False))) == 1


def test_an_update_that_is_not_counted_is_untrue() -> None:
    update = call("update_status", status="running", value=None)
    assert seen(counting(update, (JOBS, "running"))) == (
        "update_status answered None, but ai_jobs_dual_write{result='succeeded'} increased by 0 instead of 1.",
    )


def test_an_update_that_a_newer_one_has_superseded_counts_nothing() -> None:
    update = call("update_status", status="running", value=None)
    assert seen(counting(update, wrote_job=False)) == ()
    assert len(seen(counting(update, (DUAL_WRITES, "succeeded"), wrote_job=False))) == 1


def test_an_update_whose_command_arrived_late_may_still_have_made_the_change() -> None:
    update = replace(call("update_status", status="running", value=None), faulted=True)
    counted = ((DUAL_WRITES, "succeeded"), (JOBS, "running"))
    assert seen(counting(update, *counted, wrote_job=False)) == ()
    assert seen(counting(update, wrote_job=False)) == ()


def test_a_duplicate_that_counts_as_a_job_is_untrue() -> None:
    assert seen(counting(call(value=False), (JOBS, "pending"), wrote_job=False)) == (
        "enqueue answered False, but ai_jobs{status='pending'} increased by 1 instead of 0.",
    )


def test_a_read_of_the_old_schema_that_counts_as_new_is_untrue() -> None:
    read = call("get_job", value={"job_id": "j", "workspace_id": "acme"})
    old_only = Tables({"j": fields()}, {}, ("j",), {})
    assert seen(counting(read, (READS, "new"), wrote_job=False), states=(old_only,)) == (
        "get_job answered a job or jobs, but relay_job_read_path{path='new'} increased by 1 instead of 0.",
        "get_job answered a job or jobs, but relay_job_read_path{path='old'} increased by 0 instead of 1.",
    )


@pytest.mark.parametrize("path", ["old", "new"])
def test_where_both_schemas_hold_a_job_either_path_is_true(path: str) -> None:
    read = call("get_job", value={"job_id": "j", "workspace_id": "acme"})
    assert seen(counting(read, (READS, path), wrote_job=False), states=(tables("j"),)) == ()


def test_a_list_that_is_counted_twice_is_untrue() -> None:
    listing = counting(call("list_jobs", value=[]), (LISTS, ""), (LISTS, ""), wrote_job=False)
    assert seen(listing) == (
        "list_jobs answered a job or jobs, but relay_job_list_read_path increased by 2 instead of 1.",
    )


def test_a_claim_and_a_completion_are_dual_writes_too() -> None:
    claim = call("claim", "", value={"job_id": "j"})
    complete = call("complete", at=2)
    assert seen(counting(claim), counting(complete)) == tuple(
        f"{what}, but {metric}{{{LABELS[metric]}={label!r}}} increased by 0 instead of 1."
        for what, status in (
            ("claim answered a job or jobs", "running"),
            ("complete answered True", "completed"),
        )
        for metric, label in ((JOBS, status), (DUAL_WRITES, "succeeded"))
    )


def test_a_call_whose_process_died_is_not_judged() -> None:
    judgement = CHECK.check(evidence(call(error="Crash"), traits=COUNTING))
    assert judgement.observations == 0


def test_dual_writes_of_a_mixed_fleet_are_not_judged() -> None:
    assert (
        seen(replace(counting(call(), (JOBS, "pending")), version="AI_JOBS_NEW_SCHEMA=off")) == ()
    )


def test_an_update_that_another_client_superseded_during_a_resend_may_go_uncounted() -> None:
    mine = counting(call("update_status", status="running", value=None, at=0))
    sent_again = replace(mine, faulted=True)
    other = counting(
        replace(call("update_status", status="failed", value=None, at=1), client="B"),
        (DUAL_WRITES, "succeeded"),
        (JOBS, "failed"),
    )
    assert seen(sent_again, other) == ()
    assert len(seen(mine, other)) == len(seen(sent_again)) == 2
