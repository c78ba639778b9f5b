"""list-is-whole: a listing, from its first page to its last, shows every job of the workspace that get_job finds.

A list_jobs that reads only one of two schemas shows in no other invariant.

A listing continues while a client requests each page with the cursor of the page before. It is complete when a page has
no next cursor and is shorter than its limit. A listing of pending jobs must show those that no call has changed.

Blind to: order; a listing that no client has read to its end; a listing of another status than pending; a job that
may have been deleted at its end and put in again; and a listing that shows too much, for which see isolation.
"""

from __future__ import annotations

from collections.abc import Iterator

from midpipe.scenarios.invariants.deduplication import has_put_in, may_be_two_jobs
from midpipe.scenarios.invariants.endings import may_have_ended
from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    ViolationEvidence,
    needs_one_of,
)
from midpipe.scenarios.model.history import Json, Operation, job_received
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.promises import Retention

_CHANGES_NO_OTHER_JOB = ("enqueue", "get_job", "list_jobs", "get_queue_depth")
Listing = tuple[Operation, ...]


def _check(evidence: Evidence) -> Judgement:
    whole = [listing for listing in _listings(evidence) if _is_over(listing[-1])]
    violations = []
    for listing in whole:
        shown = {job_id for page in listing for job_id in _job_ids(page)}
        which = "list_jobs does not show" if len(listing) == 1 else "No page of list_jobs shows"
        violations += [
            ViolationEvidence(f"{which} {job_id}, which get_job finds.", "list_jobs")
            for job_id in _must_show(evidence, listing[0])
            if job_id not in shown
        ]
    return Judgement(len(whole), tuple(violations))


def _listings(evidence: Evidence) -> Iterator[Listing]:
    """Yield the listings that clients made, each with its pages in order."""
    open_listings: dict[str, Listing] = {}
    for page in evidence.history:
        if page.method != "list_jobs" or not page.answered or not page.workspace_id:
            continue
        before = open_listings.pop(page.client, ())
        cursor = page.arguments.get("cursor")
        if before and not (cursor and cursor == _next_cursor(before[-1])):
            yield before
            before = ()
        if before or not cursor:
            open_listings[page.client] = (*before, page)
    yield from open_listings.values()


def _next_cursor(page: Operation) -> Json:
    return page.value.get("next_cursor") if isinstance(page.value, dict) else None


def _is_over(page: Operation) -> bool:
    limit = page.arguments.get("limit")
    is_full = isinstance(limit, int) and len(_jobs(page)) >= limit
    return not _next_cursor(page) and not is_full


def _must_show(evidence: Evidence, listing: Operation) -> tuple[str, ...]:
    """Return the workspace's jobs that were enqueued or read before the listing, and that get_job still finds."""
    status = listing.arguments.get("status")
    return tuple(
        dict.fromkeys(
            operation.job_id
            for operation in evidence.history
            if (_was_there(operation) or _was_said_to_be_there(evidence, operation))
            and operation.workspace_id == listing.workspace_id
            and operation.completed_at <= listing.invoked_at
            and evidence.read_back.get((operation.job_id, operation.workspace_id), True)
            and not _may_be_gone(evidence, operation.job_id, listing)
            and (not status or (status == "pending" and _is_surely_pending(evidence, operation)))
        )
    )


def _was_there(operation: Operation) -> bool:
    if operation.method == "enqueue":
        return has_put_in(operation)
    return operation.method == "get_job" and isinstance(operation.value, dict)


def _was_said_to_be_there(evidence: Evidence, enqueue: Operation) -> bool:
    """Whether an enqueue failed, a later one was answered False, and get_job finds the job.

    The answer says that the job was in already. With a request that another job has as well, it may speak of that one.
    """
    if enqueue.method != "enqueue" or enqueue.value is not False:
        return False
    enqueues = [
        call
        for call in evidence.history
        if call.method == "enqueue" and call.workspace_id == enqueue.workspace_id
    ]
    request_id = enqueue.request_id
    return (
        bool(evidence.read_back.get((enqueue.job_id, enqueue.workspace_id)))
        and any(
            not call.answered and call.job_id == enqueue.job_id
            for call in enqueues
            if call.invoked_at < enqueue.completed_at
        )
        and all(
            call.job_id == enqueue.job_id
            for call in enqueues
            if request_id and call.request_id == request_id
        )
    )


def _may_be_gone(evidence: Evidence, job_id: str, listing: Operation) -> bool:
    """Whether the queue may have deleted the job at its end, so that get_job finds one that was put in again."""
    is_deleted = (
        evidence.traits.promises.retention is Retention.DELETES or job_id in evidence.expired
    )
    return (
        is_deleted
        and may_have_ended(evidence, job_id, before=listing.completed_at)
        and may_be_two_jobs(evidence, job_id)
    )


def _is_surely_pending(evidence: Evidence, put_in: Operation) -> bool:
    """Whether no call has changed a job, and a later read, if it shows a status, says that it is pending."""
    job_id = put_in.job_id
    read = evidence.read_back.get((job_id, put_in.workspace_id))
    status = read.get("status") if isinstance(read, dict) else None
    return status in (None, "pending") and not any(
        operation.method not in _CHANGES_NO_OTHER_JOB and _may_change(operation, job_id)
        for operation in evidence.history
    )


def _may_change(call: Operation, job_id: str) -> bool:
    """Whether it may have changed the job: a claim that has got another one did not."""
    named = job_received(call) if call.method in ("claim", "dequeue") else call.job_id
    return named in (None, "", job_id)


def _jobs(page: Operation) -> list[Json]:
    value = page.value.get("items") if isinstance(page.value, dict) else page.value
    return value if isinstance(value, list) else []


def _job_ids(page: Operation) -> set[str]:
    listed = (job.get("job_id") for job in _jobs(page) if isinstance(job, dict))
    return {job_id for job_id in listed if isinstance(job_id, str)}


LIST_IS_WHOLE = Invariant(
    id="list-is-whole",
    when="finally",
    claim="list_jobs shows every job of the workspace that get_job finds.",
    severity=Severity.MEDIUM,
    check=_check,
    why_not=needs_one_of("list_jobs"),
)
