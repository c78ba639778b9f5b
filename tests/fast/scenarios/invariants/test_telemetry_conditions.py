"""Of each condition under which a count is untrue: a call in which that condition decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.counters import DUAL_WRITES, JOBS, LABELS, LISTS, READS
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Counted, Json, Operation, Phase
from midpipe.scenarios.model.state import Tables
from tests.fast.scenarios.invariants.histories import (
    BLACK_BOX,
    EMPTY,
    WHITE_BOX,
    call,
    evidence,
    fields,
    tables,
)

CHECK = INVARIANTS["telemetry-is-true"].check
COUNTING = replace(WHITE_BOX, counters=frozenset(LABELS))
WRITE = (DUAL_WRITES, "succeeded")
FAILURE = (DUAL_WRITES, "failed")


def counting(operation: Operation, *counted: tuple[str, str], wrote_job: bool = True) -> Operation:
    """The operation, during which each (metric, label value) increased by one."""
    counts = tuple(
        Counted(metric, ((LABELS[metric], label),) if label else (), 1.0)
        for metric, label in counted
    )
    return replace(operation, counted=counts, wrote_job=wrote_job)


def update(*, client: str = "A", job_id: str = "j", error: str = "", at: int = 0) -> Operation:
    made = call("update_status", job_id, at=at, value=None, error=error, status="running")
    return replace(made, client=client)


def seen(*history: Operation, states: tuple[Tables, ...] = (EMPTY,)) -> Evidence:
    return evidence(*history, states=states, traits=COUNTING)


def said(*history: Operation, states: tuple[Tables, ...] = (EMPTY,)) -> list[str]:
    return [found.seen for found in CHECK(seen(*history, states=states)).violations]


# --- what is judged --------------------------------------------------------------------------------------


def test_only_calls_of_the_program_are_judged() -> None:
    assert said(counting(call(phase=Phase.RECOVERY))) == []


def test_dual_writes_are_not_judged_where_one_schema_is_written() -> None:
    once = counting(call(), (JOBS, "pending"))
    assert len(said(once)) == 1
    assert CHECK(replace(seen(once), traits=replace(COUNTING, new_schema=False))).violations == ()


def test_of_a_mixed_fleet_all_but_the_dual_writes_is_judged() -> None:
    mixed = replace(counting(call()), version="off")
    assert said(mixed) == [
        "enqueue answered True, but ai_jobs{status='pending'} increased by 0 instead of 1."
    ]


def test_only_the_counters_that_a_subject_exports_are_judged() -> None:
    some = replace(COUNTING, counters=frozenset({JOBS, "other"}))
    judgement = CHECK(replace(seen(counting(call(), (JOBS, "pending"))), traits=some))
    assert (judgement.observations, judgement.violations) == (1, ())


@pytest.mark.parametrize(
    "read",
    [
        counting(call("get_job", value=None), (READS, "miss"), WRITE, wrote_job=False),
        counting(call("get_job", value=None), (READS, "miss"), (LISTS, ""), wrote_job=False),
        counting(call("list_jobs", value=[]), (LISTS, ""), (READS, "miss"), wrote_job=False),
        counting(call("get_job", error="E"), (READS, "miss"), wrote_job=False),
        counting(call("list_jobs", error="E"), (LISTS, ""), wrote_job=False),
        counting(update(error="E"), FAILURE, (JOBS, "running")),
        counting(call("get_job", value={"job_id": "j"}), (READS, "old"), WRITE, wrote_job=False),
        counting(
            call("list_jobs", value=[{"job_id": "j"}], status="pending"),
            (LISTS, ""),
            (JOBS, "pending"),
            wrote_job=False,
        ),
    ],
    ids=[
        "a read as a write",
        "a read as a list",
        "a list as a read",
        "a read that raised",
        "a list that raised",
        "an update that raised",
        "a read that found a job as a write",
        "a list of pending jobs as a pending job",
    ],
)
def test_a_call_that_counts_as_another_kind_or_as_answered_is_untrue(read: Operation) -> None:
    old = Tables({"j": fields()}, {}, ("j",), {})
    assert len(said(read, states=(old,))) == 1


# --- how often a write counts ----------------------------------------------------------------------------


def test_an_update_that_met_a_fault_alone_counts_once() -> None:
    counted = counting(replace(update(), faulted=True), WRITE, (JOBS, "running"))
    silent = counting(replace(update(), faulted=True))
    assert said(counted) == []
    assert len(said(silent)) == 2


@pytest.mark.parametrize(
    ("other", "excuses"),
    [
        (update(client="B", at=2), True),
        (update(client="B", job_id="i", at=2), False),
        (update(at=2), False),
        (replace(call("get_job", at=2, value=None), client="B"), False),
    ],
    ids=["another client", "another job", "the same client", "a read"],
)
def test_a_resent_update_may_go_uncounted_if_another_client_writes_the_same_job(
    other: Operation, excuses: bool
) -> None:
    silent = counting(replace(update(), faulted=True))
    assert (said(silent, other) == []) is excuses


def test_an_update_without_a_fault_that_changed_nothing_counts_nothing() -> None:
    assert len(said(counting(update(), WRITE, wrote_job=False))) == 1


def test_a_refused_call_that_wrote_may_count_because_the_driver_may_have_sent_it_twice() -> None:
    refused = call(value=False)
    assert said(counting(refused, WRITE, (JOBS, "pending"))) == []
    assert said(counting(refused)) == []
    assert len(said(counting(refused, WRITE, wrote_job=False))) == 1


def test_an_enqueue_that_was_accepted_counts_once_whatever_it_changed() -> None:
    assert len(said(counting(call(), wrote_job=False))) == 2


def test_a_completion_that_changed_no_job_may_count_or_not() -> None:
    done = call("complete")
    assert said(counting(done, wrote_job=False)) == []
    assert said(counting(done, WRITE, (JOBS, "completed"), wrote_job=False)) == []
    assert len(said(counting(done))) == 2


@pytest.mark.parametrize("method", ["claim", "fail"])
def test_a_claim_and_a_failure_may_use_up_the_last_attempt_of_jobs(method: str) -> None:
    value: Json = None if method == "claim" else True
    ended = call(method, "", value=value)
    writes = () if method == "claim" else (WRITE,)
    assert said(counting(ended, *writes, (JOBS, "failed"), wrote_job=method == "fail")) == []


def test_a_completion_may_not_count_a_failed_job() -> None:
    done = counting(call("complete"), WRITE, (JOBS, "completed"), (JOBS, "failed"))
    assert len(said(done)) == 1


@pytest.mark.parametrize("method", ["claim", "complete", "fail"])
def test_a_worker_s_call_that_raised_may_count_as_failed(method: str) -> None:
    raised = call(method, error="E")
    assert said(counting(raised)) == []
    assert said(counting(raised, FAILURE)) == []


def test_only_a_refused_argument_is_no_failure() -> None:
    assert said(counting(call(error="ValueError"))) == []
    assert len(said(counting(call(error="OSError")))) == 1


# --- which path a read took ------------------------------------------------------------------------------


def read(path: str) -> Operation:
    found = call("get_job", value={"job_id": "j", "workspace_id": "acme"})
    return counting(found, (READS, path), wrote_job=False)


@pytest.mark.parametrize(
    ("state", "path", "is_true"),
    [
        (Tables({}, {("acme", "j"): fields()}, (), {}), "new", True),
        (Tables({}, {("acme", "j"): fields()}, (), {}), "old", False),
        (Tables({}, {("globex", "j"): fields()}, (), {}), "new", False),
        (tables("j"), "miss", False),
    ],
)
def test_a_read_counts_a_schema_that_holds_the_job(state: Tables, path: str, is_true: bool) -> None:
    assert (said(read(path), states=(state,)) == []) is is_true


def test_a_read_that_counts_both_schemas_is_untrue() -> None:
    twice = counting(read("new"), (READS, "new"), (READS, "old"), wrote_job=False)
    assert len(said(twice, states=(tables("j"),))) == 1


@pytest.mark.parametrize("path", ["old", "new"])
def test_without_its_keys_a_queue_may_have_read_either_schema(path: str) -> None:
    traits = replace(BLACK_BOX, counters=frozenset(LABELS))
    assert CHECK(evidence(read(path), traits=traits)).violations == ()


# --- what is reported ------------------------------------------------------------------------------------


def test_a_violation_says_what_was_due() -> None:
    twice = counting(call(value=False), WRITE, WRITE, (JOBS, "pending"))
    assert said(twice) == [
        "enqueue answered False, but ai_jobs_dual_write{result='succeeded'} increased by 2 instead of 0 to 1.",
    ]
