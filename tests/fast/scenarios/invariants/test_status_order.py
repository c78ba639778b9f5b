"""status-order on small histories: which statuses a job may be read in after its updates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import BLACK_BOX, call, seen


def update(status: str, *, at: int, error: str = "") -> object:
    return call("update_status", at=at, status=status, value=None, error=error, request=at)


def test_an_acknowledged_update_that_no_read_shows_violates_the_order() -> None:
    assert seen("status-order", update("running", at=0), found=("j",)) == (
        "In the final state, j is pending; the acknowledged status is running.",
    )


def test_an_older_update_that_comes_back_violates_the_order() -> None:
    history = (
        update("running", at=0, error="TimeoutError"),
        update("completed", at=2),
    )
    assert seen("status-order", *history, found=("j",), status="running") == (
        "In the final state, j is running; the acknowledged status is completed.",
    )


def test_a_newer_update_that_raised_may_show_or_not() -> None:
    history = (update("running", at=0), update("completed", at=2, error="TimeoutError"))
    for status in ("running", "completed"):
        assert seen("status-order", *history, found=("j",), status=status) == ()


def test_a_read_between_two_updates_shows_the_first() -> None:
    history = (
        update("running", at=0),
        call("get_job", at=2, value={"status": "pending", "workspace_id": "acme"}),
    )
    assert seen("status-order", *history, found=("j",), status="running") == (
        "A later read says j is pending; the acknowledged status is running.",
    )


def test_an_acknowledged_end_is_not_undone_by_a_lease_that_ends() -> None:
    lease = call("claim", at=0, value={"job_id": "j"}, lease_s=0.0)
    assert seen("status-order", lease, update("running", at=2), found=("j",)) == ()
    assert seen("status-order", lease, update("completed", at=2), found=("j",)) == (
        "In the final state, j is pending; the acknowledged status is completed.",
    )


def test_a_read_may_show_an_update_that_was_made_during_the_read() -> None:
    running = call("update_status", at=0, status="running", value=None)
    failed = replace(
        call("update_status", at=3, status="failed", value=None), client="B", request=2
    )
    read = replace(
        call("get_job", at=2, value={"job_id": "j", "status": "failed"}, request=3), completed_at=6
    )
    assert seen("status-order", running, failed, read, found=("j",), status="failed") == ()


@pytest.mark.parametrize(
    ("retention", "status", "accused"),
    [("deletes", "completed", 0), ("keeps", "completed", 1), ("deletes", "running", 1)],
    ids=["a deleted job", "one that is kept", "one that has not ended"],
)
def test_only_a_job_that_has_ended_may_be_gone_where_the_queue_promises_to_delete_it(
    retention: str, status: str, accused: int
) -> None:
    promises = declared({"retention": retention})
    methods = frozenset({"enqueue", "update_status", "get_job"})
    traits = Traits(methods, white_box=False, new_schema=False, promises=promises)
    history = (call(), update(status, at=2), call("get_job", at=4, value=None))
    assert len(seen("status-order", *history, traits=traits)) == accused


def test_a_job_that_may_have_ended_may_be_gone_where_the_queue_promises_to_delete_it() -> None:
    ended = call("update_status", at=4, error="TimeoutError", request=2, status="completed")
    gone = call("get_job", at=6, value=None, request=3)
    traits = replace(BLACK_BOX, promises=declared({"retention": "deletes"}))
    assert seen("status-order", call(), update("running", at=2), ended, gone, traits=traits) == ()
