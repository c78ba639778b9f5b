"""A listing shows every job, whatever comes between two of its pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.model.history import Json, Operation
from tests.fast.scenarios.invariants.histories import call, seen


def test_a_list_without_a_job_that_exists_is_not_whole() -> None:
    history = (call(), call("list_jobs", at=2, value=[]))
    assert seen("list-is-whole", *history, found=("j",)) == (
        "list_jobs does not show j, which get_job finds.",
    )


def test_a_list_without_a_job_that_was_read_before_is_not_whole() -> None:
    read = call("get_job", value={"job_id": "j", "workspace_id": "acme"})
    assert seen("list-is-whole", read, call("list_jobs", at=2, value=[])) == (
        "list_jobs does not show j, which get_job finds.",
    )


def test_a_job_that_was_read_after_the_listing_may_have_come_after_it() -> None:
    read = call("get_job", at=2, value={"job_id": "j", "workspace_id": "acme"})
    assert seen("list-is-whole", call("list_jobs", value=[]), read) == ()


def page(*items: str, at: int, following: str | None, cursor: str | None = None) -> Operation:
    """A page of at most two jobs that wait."""
    value: Json = {"items": [{"job_id": item} for item in items], "next_cursor": following}
    asked: dict[str, Json] = {"status": "pending", "limit": 2, "cursor": cursor}
    return replace(
        call("list_jobs", at=at, value=value), arguments={"workspace_id": "acme", **asked}
    )


def test_a_listing_that_leaves_a_job_out_between_two_pages_is_not_whole() -> None:
    first = page("c", "b", at=4, following="2")
    update = call("update_status", "c", at=5, value=None, status="running")
    second = page(at=6, following=None, cursor="2")
    history = (call("enqueue", "a"), call("enqueue", "b", at=2), first, update, second)
    assert seen("list-is-whole", *history, found=("a", "b", "c")) == (
        "No page of list_jobs shows a, which get_job finds.",
    )


def test_a_listing_is_whole_once_all_of_its_pages_show_each_job() -> None:
    first = page("c", "b", at=4, following="2")
    second = page("a", at=6, following=None, cursor="2")
    history = (call("enqueue", "a"), call("enqueue", "b", at=2), first, second)
    assert seen("list-is-whole", *history, found=("a", "b")) == ()


def test_a_listing_of_pending_jobs_need_not_show_one_that_a_call_has_changed() -> None:
    update = call("update_status", "a", at=5, value=None, status="running")
    history = (call("enqueue", "a"), update, page(at=6, following=None))
    assert seen("list-is-whole", *history, found=("a",)) == ()


@pytest.mark.parametrize("following", ["2", None])
def test_a_listing_that_was_not_read_to_its_end_need_not_be_whole(following: str | None) -> None:
    first = page("c", "b", at=4, following=following)
    assert seen("list-is-whole", call("enqueue", "a"), first, found=("a",)) == ()
