"""status-order: every later read shows an acknowledged update, and no older update undoes it.

An update that raised may or may not have taken effect. If it was invoked after the last acknowledged update, a read may
show it; if it was invoked before, it may not come back.

Of two concurrent updates, either may be the last. Statuses go forward (pending, running, then completed or failed);
whether the queue makes or ignores a step back is its choice. A job whose lease ends, or whose attempt fails, may become
pending and run again; a job whose completion was acknowledged may not. A claim sets a status only in a queue whose
get_job shows one, which a run without faults has found out. An update of a job that does not exist yet may
do nothing and raise nothing.

In addition, the calls on a job must be linearizable as a register of its status (see ``status_register``), which
catches two reads between which an update disappears.

Blind to: a job that has ended and that the queue deletes then, as it promises (``retention``), or whose data has
expired; a job that may have been put in twice, because the queue does not promise to recognise its second enqueue; a
job that was cancelled, and every job once the subject's own worker runs; what an update changes besides the status; a
claim that never sets one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from midpipe.scenarios.invariants.deduplication import may_be_two_jobs
from midpipe.scenarios.invariants.linearizability import NEVER, Answer
from midpipe.scenarios.invariants.no_lost_job import is_cancelled
from midpipe.scenarios.invariants.status_register import Event, Seen, Set, check_status
from midpipe.scenarios.model.evidence import (
    GIVE_BACK,
    Evidence,
    Invariant,
    Judgement,
    ViolationEvidence,
    needs_one_of,
    status_of,
)
from midpipe.scenarios.model.history import (
    Completion,
    Json,
    Operation,
    is_over_at_once,
    job_received,
)
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.promises import Retention

_NOT_FOUND = ""
"""What a read shows as the status of a job that it does not find."""
_RANKS = {"pending": 0, "running": 1, "completed": 2, "failed": 2}


def _check(evidence: Evidence) -> Judgement:
    violations: list[ViolationEvidence] = []
    observed = 0
    last_updates = {update.job_id: update for update in _updates(evidence)}
    for job_id, last in sorted(last_updates.items()):
        if _is_moved_unseen(evidence, job_id) or _may_be_new(evidence, job_id):
            continue
        observed += 1
        seen = list(_contradictions(evidence, job_id))
        if not seen and not _again(evidence):
            checked = check_status(register_of(evidence, job_id))
            if checked.answer is Answer.VIOLATED:
                seen = [f"Of {job_id}, {checked.why}."]
            elif checked.answer is Answer.UNKNOWN:
                observed -= 1
        violations += [ViolationEvidence(sentence, last.method) for sentence in seen]
    return Judgement(observed, tuple(violations))


def _is_moved_unseen(evidence: Evidence, job_id: str) -> bool:
    """Whether a call that gives no status may have set one: a cancel, or a run of the subject's own worker."""
    return is_cancelled(evidence, job_id) or bool(evidence.operations("work"))


def _may_be_new(evidence: Evidence, job_id: str) -> bool:
    """Whether what is read of a job may be another job of the same id."""
    has_ended = any(
        # An update that raised may have ended the job as well.
        update.completion is Completion.INFO or _is_acknowledged(evidence, update)
        for update in _updates(evidence)
        if update.job_id == job_id and _is_end(update)
    )
    return may_be_two_jobs(evidence, job_id) or (has_ended and job_id in evidence.expired)


def _contradictions(evidence: Evidence, job_id: str) -> Iterator[str]:
    """Yield a sentence for each read that shows a status which the acknowledged updates before it do not allow."""
    for status, began, ended, where in _sightings(evidence, job_id):
        allowed = _allowed(evidence, job_id, began, ended)
        if allowed and status not in allowed:
            yield (
                f"{where} {job_id} is {status or 'not found'}; "
                f"the acknowledged status is {' or '.join(sorted(filter(None, allowed)))}."
            )


def register_of(evidence: Evidence, job_id: str) -> list[Event]:
    """Return when a job's status was set and read. A call that ends when another begins comes before it."""
    owners = _owners(evidence, job_id)
    events: list[Event] = []
    for operation in evidence.history:
        if operation.completion is Completion.FAIL:
            continue
        start, end = 2.0 * operation.invoked_at, 2.0 * operation.completed_at - 1
        if _may_take(operation, job_id):
            is_shown = operation.method == "claim" and evidence.traits.shows_running
            surely = is_shown and operation.answered
            events.append(Set("running", start, end if surely else NEVER, surely))
        elif operation.job_id != job_id:
            continue
        elif status := _status_set(operation):
            surely = _is_acknowledged(evidence, operation)
            events.append(Set(status, start, end if surely else NEVER, surely))
        elif operation.method == "get_job" and operation.workspace_id in owners:
            read = status_of(operation.value)
            events += [Seen(read, start, end)] if read else []
    return events


def _may_take(operation: Operation, job_id: str) -> bool:
    """Whether a worker may have got the job by a call: one without an answer may have taken any."""
    takes = operation.method in ("claim", "dequeue")
    return takes and (job_received(operation) == job_id or operation.completion is Completion.INFO)


def _owners(evidence: Evidence, job_id: str) -> set[str]:
    """Return the workspaces of a job; no other one must find it, which isolation judges."""
    return {update.workspace_id for update in _updates(evidence) if update.job_id == job_id}


def _updates(evidence: Evidence) -> tuple[Operation, ...]:
    return tuple(
        operation
        for operation in evidence.operations("update_status", "complete")
        if _status_set(operation)
    )


def _status_set(operation: Operation) -> str:
    if operation.method == "update_status":
        status = operation.arguments.get("status")
        return status if isinstance(status, str) else ""
    if operation.method == "complete":
        return "completed" if operation.value is not False else ""
    return ""


def _allowed(evidence: Evidence, job_id: str, began: int, ended: int) -> set[str]:
    """Return the statuses that a read may show, _NOT_FOUND among them; empty if none was acknowledged before it.

    An update is superseded once a further status, set by a call invoked after its end, has been acknowledged. A read
    may show an update that was invoked during the read.

    Args:
        began, ended: ordinals of the read's invocation and completion.
    """
    updates = [
        update
        for update in _updates(evidence)
        if update.job_id == job_id
        and update.invoked_at < ended
        and update.completion is not Completion.FAIL
    ]
    acknowledged = [u for u in updates if u.completed_at <= began and _is_acknowledged(evidence, u)]
    if not acknowledged:
        return set()
    deletes = evidence.traits.promises.retention is Retention.DELETES
    allowed = {
        _status_set(update)
        for update in updates
        if not any(
            later.invoked_at >= update.completed_at
            and _RANKS.get(_status_set(later), 0) > _RANKS.get(_status_set(update), 0)
            for later in acknowledged
        )
    }
    if not any(map(_is_end, acknowledged)):
        allowed |= _again(evidence)
        if any(_may_take(call, job_id) and call.invoked_at < ended for call in evidence.history):
            allowed.add("running")
    return allowed | {_NOT_FOUND} if deletes and any(map(_is_last, allowed)) else allowed


def _is_acknowledged(evidence: Evidence, update: Operation) -> bool:
    return update.answered and (
        update.method != "update_status"
        or _surely_existed(evidence, update.job_id, update.invoked_at)
    )


def _surely_existed(evidence: Evidence, job_id: str, moment: int) -> bool:
    """Whether a job surely existed at a moment: seeded, or enqueued or returned by a call that had completed."""
    enqueues = [o for o in evidence.history if o.method == "enqueue" and o.job_id == job_id]
    is_seeded = evidence.moments[0].tables.has_data(job_id)
    if is_seeded or not (enqueues or _is_never_seen(evidence, job_id)):
        return True
    put = {(o.phase, o.client, o.request) for o in enqueues if o.wrote}
    return any(
        (o.answered and (o.phase, o.client, o.request) in put) or _job_in(o.value) == job_id
        for o in evidence.history
        if o.completed_at <= moment
    )


def _is_never_seen(evidence: Evidence, job_id: str) -> bool:
    return not evidence.found(job_id) and not any(
        _job_in(operation.value) == job_id for operation in evidence.history
    )


def _job_in(value: Json) -> Json:
    return value.get("job_id") if isinstance(value, Mapping) else None


def _is_end(update: Operation) -> bool:
    return _is_last(_status_set(update))


def _is_last(status: str) -> bool:
    return _RANKS.get(status) == _RANKS["completed"]


def _again(evidence: Evidence) -> set[str]:
    """Return the statuses to which a job may return because a lease has ended or an attempt has failed."""
    comes_back = evidence.leases_ended or any(
        operation.method in GIVE_BACK or is_over_at_once(operation.arguments)
        for operation in evidence.history
    )
    return {"pending", "running", "failed"} if comes_back else set()


def _sightings(evidence: Evidence, job_id: str) -> list[tuple[str, int, int, str]]:
    """Return the status, the ordinals of invocation and completion, and a phrase that says which, of every read."""
    owners = _owners(evidence, job_id)
    sightings = [
        (status_of(read.value), read.invoked_at, read.completed_at, "A later read says")
        for read in evidence.history
        if read.method == "get_job" and read.answered
        if read.job_id == job_id and read.workspace_id in owners
    ]
    end = max((operation.completed_at for operation in evidence.history), default=0) + 1
    for (known, workspace_id), job in evidence.read_back.items():
        if known == job_id and workspace_id in owners:
            sightings.append((status_of(job), end, end, "In the final state,"))
    return sightings


STATUS_ORDER = Invariant(
    id="status-order",
    when="finally",
    claim="Every later read shows an acknowledged update, and no older update undoes it.",
    severity=Severity.HIGH,
    check=_check,
    why_not=needs_one_of("update_status", "complete"),
)
