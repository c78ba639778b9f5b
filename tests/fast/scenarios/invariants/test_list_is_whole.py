"""A listing shows every job, whatever comes between two of its pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.history import Completion, Json, Operation
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import BLACK_BOX, call, evidence, seen


def test_a_list_without_a_job_that_exists_is_not_whole() -> None:
    history = (call(), call("list_jobs", at=2, value=[]))
    assert seen("list-is-whole", *history, found=("j",)) == (
        "list_jobs does not show j, which get_job finds.",
    )


RAISED = replace(call(request_id="r", value=None), completion=Completion.INFO)
AGAIN = call(at=2, request_id="r", value=False)
LISTED = call("list_jobs", at=4, value=[])


def test_a_list_shows_a_job_of_which_a_repeated_enqueue_said_that_it_was_in_already() -> None:
    assert seen("list-is-whole", RAISED, AGAIN, LISTED, found=("j",)) == (
        "list_jobs does not show j, which get_job finds.",
    )


@pytest.mark.parametrize(
    "other",
    [
        call("enqueue", "i", request_id="s"),
        call("enqueue", "i", request_id="r", workspace_id="globex"),
    ],
    ids=["another request", "in another workspace"],
)
def test_a_repeated_enqueue_does_not_speak_of_the_job_of_another_request(other: Operation) -> None:
    history = (other, RAISED, AGAIN, LISTED)
    assert "list_jobs does not show j, which get_job finds." in seen(
        "list-is-whole", *history, found=("j",)
    )


def test_a_repeated_enqueue_without_a_request_speaks_of_its_own_job() -> None:
    raised, again = (
        replace(sent, arguments={"job_id": "j", "workspace_id": "acme"}) for sent in (RAISED, AGAIN)
    )
    listed = call("list_jobs", at=4, value=[{"job_id": "i"}])
    history = (call("enqueue", "i"), raised, again, listed)
    assert seen("list-is-whole", *history, found=("i", "j")) == (
        "list_jobs does not show j, which get_job finds.",
    )


@pytest.mark.parametrize(
    "history",
    [
        (RAISED, LISTED),
        (RAISED, call("cancel", at=2, value=False), LISTED),
        (replace(call("get_job", value=None), completion=Completion.INFO), AGAIN, LISTED),
        (replace(RAISED, arguments={**RAISED.arguments, "workspace_id": "globex"}), AGAIN, LISTED),
        (call("enqueue", "i", request_id="s", error="TimeoutError"), AGAIN, LISTED),
        (AGAIN, replace(RAISED, invoked_at=3, completed_at=4), LISTED),
    ],
    ids=[
        "no repeated call",
        "another call that answers False",
        "another call that failed",
        "one that failed in another workspace",
        "one of another job that failed",
        "one that failed later",
    ],
)
def test_only_an_enqueue_after_one_that_failed_says_that_the_job_was_in_already(
    history: tuple[Operation, ...],
) -> None:
    assert seen("list-is-whole", *history, found=("j",)) == ()


def test_a_list_need_not_show_a_job_if_another_one_with_its_request_may_be_the_one_that_is_in() -> (
    None
):
    other = call("enqueue", "i", request_id="r")
    listed = call("list_jobs", at=4, value=[{"job_id": "i"}])
    assert seen("list-is-whole", other, RAISED, AGAIN, listed, found=("i", "j")) == ()


def test_a_list_need_not_show_a_job_that_was_refused_and_is_not_found() -> None:
    assert seen("list-is-whole", RAISED, AGAIN, LISTED) == ()


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


NOT_SHOWN = ("list_jobs does not show j, which get_job finds.",)


def listing(value: Json, *, at: int = 4, workspace_id: str = "acme") -> Operation:
    return call("list_jobs", "", at=at, value=value, workspace_id=workspace_id)


@pytest.mark.parametrize("answer", [True, None, "1700000000000-0"])
def test_a_job_was_there_whatever_its_enqueue_answers_that_counts_as_true(answer: Json) -> None:
    assert seen("list-is-whole", call(value=answer), listing([]), found=("j",)) == NOT_SHOWN


@pytest.mark.parametrize(
    "history",
    [
        (call(value=False), listing([])),
        (call("update_status", value=True), listing([])),
        (call("update_status", value={"job_id": "j"}), listing([])),
        (call("get_job", value=None), listing([])),
        (call(at=5), listing([])),
        (call(at=3), listing([], at=3)),
        (call(workspace_id="globex"), listing([])),
        (call(workspace_id=""), listing([], workspace_id="")),
        (call(), replace(listing(None), completion=Completion.INFO)),
        (call(), call("get_queue_depth", "", at=4, value=0)),
    ],
    ids=[
        "refused",
        "another call",
        "another call that answers an object",
        "not found",
        "enqueued later",
        "enqueued meanwhile",
        "of another workspace",
        "a listing of no workspace",
        "a listing without an answer",
        "no listing",
    ],
)
def test_a_listing_need_not_show_what_was_not_surely_there(history: tuple[Operation, ...]) -> None:
    assert seen("list-is-whole", *history, found=("j",)) == ()


def test_a_listing_must_show_a_job_whose_enqueue_was_answered_as_it_began() -> None:
    assert seen("list-is-whole", call(), listing([], at=1), found=("j",)) == NOT_SHOWN


def test_a_listing_need_not_show_a_job_that_is_gone_at_the_end() -> None:
    gone = replace(evidence(call(), listing([])), read_back={("j", "acme"): None})
    assert INVARIANTS["list-is-whole"].check(gone).violations == ()


@pytest.mark.parametrize("odd", ["j", {"total": 0}, [3, None], [{"job_id": ["j"]}], {"items": "j"}])
def test_what_is_no_job_in_a_listing_shows_none(odd: Json) -> None:
    assert seen("list-is-whole", call(), listing(odd), found=("j",)) == NOT_SHOWN


def test_two_listings_one_after_the_other_have_to_show_the_job_each() -> None:
    whole = listing([{"job_id": "j"}])
    assert seen("list-is-whole", call(), whole, listing([], at=6), found=("j",)) == NOT_SHOWN


@pytest.mark.parametrize(
    "pages",
    [
        (page("c", at=4, following="2"),),
        (page("c", at=4, following="2"), page(at=6, following=None, cursor="9")),
        (page(at=4, following=None, cursor="9"),),
    ],
    ids=["a page that has a next one", "another cursor", "no first page"],
)
def test_only_a_listing_from_its_first_page_to_its_last_is_judged(
    pages: tuple[Operation, ...],
) -> None:
    assert seen("list-is-whole", call("enqueue", "a"), *pages, found=("a",)) == ()


def test_two_clients_listings_are_two() -> None:
    mine = page("c", at=4, following="2")
    theirs = replace(page(at=6, following=None, cursor="2"), client="B")
    assert seen("list-is-whole", call("enqueue", "a"), mine, theirs, found=("a",)) == ()


@pytest.mark.parametrize(
    ("between", "is_judged"),
    [
        (call("update_status", "b", at=3, value=None, status="running"), True),
        (call("get_job", "a", at=3, value={"job_id": "a"}), True),
        (call("claim", "", at=3, value=None), False),
        (call("claim", "", at=3, value={"job_id": "a"}), False),
        (call("claim", "", at=3, value={"job_id": "b"}), True),
        (call("dequeue", "", at=3, value="b"), True),
        (call("update_status", "a", at=3, value=None, status="running"), False),
    ],
    ids=[
        "of another job",
        "a read",
        "a claim of any job",
        "a claim of this job",
        "a claim of another job",
        "another job is taken",
        "of this job",
    ],
)
def test_a_listing_of_pending_jobs_must_show_what_no_call_has_changed(
    between: Operation, is_judged: bool
) -> None:
    last = page(at=6, following=None)
    assert bool(seen("list-is-whole", call("enqueue", "a"), between, last, found=("a",))) is (
        is_judged
    )


def test_a_job_that_is_not_pending_in_the_end_may_have_changed_unseen() -> None:
    taken = call("claim", "", at=3, value={"job_id": "b"})
    history = evidence(call("enqueue", "a"), taken, page(at=6, following=None))
    read = {("a", "acme"): {"job_id": "a", "status": "running"}}
    assert INVARIANTS["list-is-whole"].check(replace(history, read_back=read)).violations == ()


def test_a_listing_of_another_status_is_not_judged() -> None:
    running = page(at=6, following=None)
    running = replace(running, arguments={**running.arguments, "status": "running"})
    assert seen("list-is-whole", call("enqueue", "a"), running, found=("a",)) == ()


def test_a_listing_of_pending_jobs_must_show_a_job_that_no_call_can_read() -> None:
    assert seen("list-is-whole", call("enqueue", "a"), page(at=6, following=None)) == (
        "list_jobs does not show a, which get_job finds.",
    )


ENDED, ONCE_MORE = call("complete", at=2), call(at=6, request=2)
DELETES = {"deduplicates": "none", "retention": "deletes"}


@pytest.mark.parametrize(
    ("calls", "promised", "expired", "is_judged"),
    [
        ((ENDED, ONCE_MORE), DELETES, "", False),
        ((ENDED, ONCE_MORE), {"deduplicates": "none"}, "j", False),
        ((ENDED, ONCE_MORE), {"deduplicates": "none"}, "i", True),
        ((ENDED, ONCE_MORE), {**DELETES, "deduplicates": "job"}, "", True),
        ((ENDED,), DELETES, "", True),
        ((ONCE_MORE,), DELETES, "", True),
        ((call("complete", at=5), ONCE_MORE), DELETES, "", True),
    ],
    ids=[
        "deleted",
        "expired",
        "kept",
        "known afterwards",
        "not put in again",
        "not ended",
        "ended after the listing",
    ],
)
def test_a_listing_need_not_show_a_job_that_was_gone_until_it_was_put_in_again(
    calls: tuple[Operation, ...], promised: dict[str, object], expired: str, is_judged: bool
) -> None:
    traits = replace(BLACK_BOX, promises=declared(promised))
    history = evidence(call(), *calls, listing([]), found=("j",), traits=traits)
    found = INVARIANTS["list-is-whole"].check(replace(history, expired=frozenset({expired})))
    assert tuple(each.seen for each in found.violations) == (NOT_SHOWN if is_judged else ())
