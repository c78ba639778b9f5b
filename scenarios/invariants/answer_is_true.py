"""answer-is-true: True means durable, False means the job exists, None no such job, an exception all or nothing.

All or nothing is judged in the state at the moment when the caller receives the exception: the job's data (in every
schema), its place in the queue and its request key either all exist or all do not. This part is white box; answers are
judged by reading back. A get_job that returns None is untrue if the server held the job in every state of the case, in
whichever schema; and, for any subject, if its enqueue had been acknowledged before the read began and the job still
exists in the final state. In a mixed fleet it is not judged, because versions may read different schemas.

Blind to: a read that misses a job which is gone at the end; and the loss of an acknowledged job in a power failure,
which the durability part tries.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.no_lost_job import has_left_rightly, is_odd
from midpipe.scenarios.model.evidence import Evidence, Invariant, Judgement, ViolationEvidence
from midpipe.scenarios.model.history import Completion, Operation
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.state import Tables


def _check(evidence: Evidence) -> Judgement:
    violations = []
    enqueues = evidence.operations("enqueue")
    for operation in enqueues:
        violation = _judge(evidence, operation)
        if violation:
            violations.append(ViolationEvidence(violation, "enqueue"))
    reads = [read for read in evidence.operations("get_job") if read.answered and not read.version]
    for read in reads:
        if read.value is not None:
            continue
        if evidence.traits.white_box and _was_there_throughout(evidence, read):
            seen = f"get_job answered None, although {read.job_id} existed during the whole case."
        elif _was_acknowledged_before(evidence, read):
            seen = f"get_job answered None, although enqueue had answered True for {read.job_id}, which still exists."
        else:
            continue
        violations.append(ViolationEvidence(seen, "get_job"))
    return Judgement(len(enqueues) + len(reads), tuple(violations))


def _was_there_throughout(evidence: Evidence, read: Operation) -> bool:
    return all(
        moment.tables.old.get(read.job_id, {}).get("workspace_id") == read.workspace_id
        or (read.workspace_id, read.job_id) in moment.tables.new
        for moment in evidence.moments
    )


def _was_acknowledged_before(evidence: Evidence, read: Operation) -> bool:
    """Whether the job's only enqueue had been answered True when the read began, and get_job finds the job at the end.

    A job that exists before and after the read, and was not enqueued meanwhile, existed during the read.
    """
    enqueues = [
        operation
        for operation in evidence.history
        if operation.method == "enqueue" and operation.job_id == read.job_id
    ]
    return (
        any(operation.value is True for operation in enqueues)
        and all(
            operation.completed_at <= read.invoked_at
            and operation.workspace_id == read.workspace_id
            for operation in enqueues
        )
        and bool(evidence.read_back.get((read.job_id, read.workspace_id)))
    )


def _judge(evidence: Evidence, operation: Operation) -> str:
    if operation.answered:
        is_missing = evidence.can_read and not evidence.found(operation.job_id)
        may_be_gone = evidence.has_run(operation.job_id) or has_left_rightly(
            evidence, operation.job_id
        )
        if operation.value is True and is_missing and not may_be_gone:
            return f"enqueue answered True, but {operation.job_id} does not exist."
        if operation.value is False and not _exists(evidence, operation):
            return "enqueue answered False, but no job of that request exists at that moment."
        if is_odd(operation.value):
            return f"enqueue answered {operation.value!r}, which is neither True nor False."
        return ""
    if not evidence.traits.white_box or operation.completion is Completion.FAIL:
        # It certainly had no effect, so another call wrote what is there.
        return ""
    if any(
        _may_have_written_otherwise(operation, other) for other in evidence.operations("enqueue")
    ):
        return ""
    parts = _parts(evidence, evidence.moments[operation.state_after].tables, operation)
    if len(set(parts.values())) > 1:
        there = ", ".join(name for name, present in parts.items() if present)
        gone = ", ".join(name for name, present in parts.items() if not present)
        return f"enqueue raised {operation.raised} and left {operation.job_id} half written: {there} but not {gone}."
    return ""


def _may_have_written_otherwise(operation: Operation, other: Operation) -> bool:
    """Whether another request may have written a job of this id, with the keys of its own workspace or version."""

    def kind(enqueue: Operation) -> tuple[str, str, str]:
        return enqueue.workspace_id, enqueue.request_id, enqueue.version

    return (
        (other.client, other.request) != (operation.client, operation.request)
        and other.job_id == operation.job_id
        and other.completion is not Completion.FAIL
        and other.invoked_at < operation.completed_at
        and kind(other) != kind(operation)
    )


def _exists(evidence: Evidence, operation: Operation) -> bool:
    if not evidence.traits.white_box:
        return True
    tables = evidence.moments[operation.state_after].tables
    if tables.has_data(operation.job_id):
        return True
    key = (operation.workspace_id, operation.request_id)
    return key in tables.requests and tables.has_data(tables.requests[key])


def _parts(evidence: Evidence, tables: Tables, operation: Operation) -> dict[str, bool]:
    job_id, workspace_id = operation.job_id, operation.workspace_id
    in_old, in_new = job_id in tables.old, (workspace_id, job_id) in tables.new
    parts = {"the old hash": in_old}
    if operation.version:
        # The versions of a mixed fleet may write different schemas.
        parts = {"the hash": in_old or in_new}
    elif evidence.traits.new_schema:
        parts["the new hash"] = in_new
    if set(tables.statuses(job_id)) <= {"pending"}:
        # Once a worker has claimed it, it needs no place.
        parts["a place in the queue"] = job_id in tables.pending
    if operation.request_id:
        owner = tables.requests.get((workspace_id, operation.request_id))
        parts["the request key"] = owner == job_id
    return parts


ANSWER_IS_TRUE = Invariant(
    id="answer-is-true",
    when="finally",
    claim="True means durable, False means the job exists, None that there is none, an exception all or nothing.",
    severity=Severity.HIGH,
    check=_check,
)
