"""list-is-whole: a fault-free list_jobs shows every job of the workspace that get_job finds.

Not in the plan's catalogue; added because the review's MEDIUM-5 (list_jobs reads the old schema only) is
behaviour, and no other invariant sees it.

Blind to: order, paging beyond the first page, and a list that shows too much; see isolation.
"""

from __future__ import annotations

from scenarios.history import Json, Operation
from scenarios.invariants.evidence import Breach, Evidence, Invariant, Judgement, needs_one_of
from scenarios.verdict import Severity


def _check(evidence: Evidence) -> Judgement:
    listed = [
        operation
        for operation in evidence.history
        if operation.method == "list_jobs" and operation.answered and operation.workspace_id
    ]
    breaches = []
    for operation in listed:
        shown = _job_ids(operation)
        for job_id in _must_show(evidence, operation):
            if job_id not in shown:
                breaches.append(
                    Breach(f"list_jobs does not show {job_id}, which get_job finds.", "list_jobs")
                )
    return Judgement(len(listed), tuple(breaches))


def _must_show(evidence: Evidence, listing: Operation) -> tuple[str, ...]:
    """Return the workspace's jobs that were enqueued or read before the listing and are still found."""
    return tuple(
        dict.fromkeys(
            operation.job_id
            for operation in evidence.history
            if _was_there(operation)
            and operation.workspace_id == listing.workspace_id
            and operation.completed_at <= listing.invoked_at
            and evidence.read_back.get((operation.job_id, operation.workspace_id), True)
        )
    )


def _was_there(operation: Operation) -> bool:
    if operation.method == "enqueue":
        return operation.value is True
    return operation.method == "get_job" and isinstance(operation.value, dict)


def _job_ids(operation: Operation) -> set[Json]:
    value = operation.value
    if isinstance(value, dict):
        value = value.get("items")
    jobs = value if isinstance(value, list) else []
    return {job.get("job_id") for job in jobs if isinstance(job, dict)}


LIST_IS_WHOLE = Invariant(
    id="list-is-whole",
    when="finally",
    claim="list_jobs shows every job of the workspace that get_job finds.",
    severity=Severity.MEDIUM,
    check=_check,
    why_not=needs_one_of("list_jobs"),
)
