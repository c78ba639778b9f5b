"""Of each condition under which an answer counts as untrue: a history in which that condition decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Completion, Execution, Operation, Phase
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

MISSED = ("get_job answered None, although enqueue had answered True for j, which still exists.",)
NO_JOB_OF_IT = ("enqueue answered False, but no job of that request exists at that moment.",)
RAN = Execution("j", Phase.PROGRAM, has_ended=True)
OLD_ONLY = Tables({"j": fields()}, {}, ("j",), {})
NEW_ONLY = Tables({}, {("acme", "j"): fields()}, ("j",), {})


def said_of(seen: Evidence) -> tuple[str, ...]:
    return tuple(found.seen for found in INVARIANTS["answer-is-true"].check(seen).violations)


def said(*history: Operation, state: Tables = EMPTY, found: tuple[str, ...] = ("j",)) -> str:
    """Return what is said of a subject whose keys midpipe can read, which is in that state all the time."""
    return " ".join(said_of(evidence(*history, states=(state,), found=found)))


# --- reads -----------------------------------------------------------------------------------------------


def missed(*, at: int = 2) -> Operation:
    return call("get_job", at=at, value=None)


def black_box(*history: Operation, found: tuple[str, ...] = ("j",)) -> tuple[str, ...]:
    return said_of(evidence(*history, states=(tables("j"),), found=found, traits=BLACK_BOX))


@pytest.mark.parametrize(
    "history",
    [
        (call(), missed()),
        (call(), missed(at=1)),
        (call(), call(at=1, value=False, request=2), missed()),
    ],
    ids=["before", "as the enqueue answers", "although it was asked for twice"],
)
def test_a_read_that_misses_an_acknowledged_job_is_untrue(history: tuple[Operation, ...]) -> None:
    assert black_box(*history) == MISSED


@pytest.mark.parametrize(
    "history",
    [
        (missed(),),
        (call(job_id="i"), missed()),
        (call("complete"), missed()),
        (call(value=None), missed()),
        (replace(call(), completed_at=4), missed()),
        (call(), missed(), call(at=4, request=2)),
        (call(workspace_id="globex"), missed()),
        (call(), replace(missed(), completion=Completion.INFO)),
        (call(), replace(missed(), version="off")),
        (call(), call("get_job", at=2, value={"job_id": "j"})),
    ],
    ids=[
        "not enqueued",
        "another job",
        "another call",
        "not acknowledged",
        "during the enqueue",
        "enqueued again",
        "another workspace",
        "no answer",
        "a mixed fleet",
        "found",
    ],
)
def test_a_read_may_miss_what_did_not_surely_exist(history: tuple[Operation, ...]) -> None:
    assert black_box(*history, found=("i", "j")) == ()


def test_a_read_may_miss_a_job_that_is_gone_at_the_end() -> None:
    gone = evidence(call(), missed(), traits=BLACK_BOX)
    assert said_of(replace(gone, executions=(RAN,))) == ()


# --- True and False --------------------------------------------------------------------------------------


def test_a_job_of_a_queue_without_reads_is_not_called_missing() -> None:
    traits = replace(BLACK_BOX, methods=frozenset({"enqueue"}))
    assert said_of(evidence(call(), traits=traits)) == ()


def test_a_job_that_has_run_need_not_exist_any_more() -> None:
    assert said_of(evidence(call(), traits=BLACK_BOX)) != ()
    assert said_of(replace(evidence(call(), traits=BLACK_BOX), executions=(RAN,))) == ()


def test_false_is_true_if_the_job_exists_or_the_one_that_its_request_made() -> None:
    again = call(value=False, request_id="r")
    assert said(again, state=tables("j")) == ""
    assert said(again, state=tables("i", r="i")) == ""
    assert said(again, state=tables("i", r="gone")) == NO_JOB_OF_IT[0]
    assert said(again, state=tables("i", s="i")) == NO_JOB_OF_IT[0]


def test_false_is_believed_where_midpipe_can_read_no_keys() -> None:
    assert said_of(evidence(call(value=False), traits=BLACK_BOX)) == ()


# --- exceptions ------------------------------------------------------------------------------------------


HALF = "enqueue raised E and left j half written: the old hash, a place in the queue but not the new hash."
RAISED = call(at=4, error="E", request=2)


def other(
    client: str = "B", job_id: str = "j", *, at: int = 0, request: int = 1, request_id: str = "s"
) -> Operation:
    made = call(job_id=job_id, at=at, request=request, request_id=request_id)
    return replace(made, client=client)


def test_a_call_that_surely_had_no_effect_has_left_nothing_half_written() -> None:
    assert said(RAISED, state=OLD_ONLY) == HALF
    assert said(replace(RAISED, completion=Completion.FAIL), state=OLD_ONLY) == ""


@pytest.mark.parametrize("enqueue", [other(), other(at=4), replace(other(), version="off")])
def test_another_request_may_have_written_the_job_otherwise(enqueue: Operation) -> None:
    assert said(enqueue, RAISED, state=OLD_ONLY) == ""


@pytest.mark.parametrize(
    "enqueue",
    [
        other("A", request=2),
        other(job_id="i"),
        replace(other(), completion=Completion.FAIL, value=None),
        other(at=5),
        other(at=7),
        other(request_id=""),
    ],
    ids=[
        "an earlier attempt",
        "of another job",
        "failed",
        "as it raises",
        "later",
        "the same kind",
    ],
)
def test_no_other_call_excuses_what_is_half_written(enqueue: Operation) -> None:
    assert HALF in said(enqueue, RAISED, state=OLD_ONLY, found=("i", "j"))


def test_a_job_is_whole_in_one_schema_if_the_subject_writes_no_other() -> None:
    traits = replace(WHITE_BOX, new_schema=False)
    assert said_of(evidence(RAISED, states=(OLD_ONLY,), traits=traits)) == ()


def test_a_job_that_a_worker_has_claimed_needs_no_place_in_the_queue() -> None:
    taken = replace(tables("j", status="running"), pending=())
    assert said(RAISED, state=taken) == ""
    assert "but not a place in the queue" in said(RAISED, state=replace(tables("j"), pending=()))


def test_the_key_of_the_request_belongs_to_the_job() -> None:
    raised = call(at=4, error="E", request=2, request_id="r")
    assert said(raised, state=tables("j", r="j")) == ""
    assert said(raised, state=tables("j")).endswith("but not the request key.")
    assert said(raised, state=tables("j", r="i")).endswith("but not the request key.")


@pytest.mark.parametrize("state", [OLD_ONLY, NEW_ONLY, tables("j")])
def test_in_a_mixed_fleet_either_schema_is_enough(state: Tables) -> None:
    assert said(replace(RAISED, version="off"), state=state) == ""
    without_data = Tables({}, {}, ("j",), {})
    assert said(replace(RAISED, version="off"), state=without_data) == (
        "enqueue raised E and left j half written: a place in the queue but not the hash."
    )
