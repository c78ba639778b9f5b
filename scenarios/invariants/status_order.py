"""status-order: an acknowledged update is seen by every later read, and never undone by an older one.

Updates that raised may or may not have happened. One that was called after the last acknowledged update may
show; one that was called before it may not come back.

Of two updates at once, either may be the last. Statuses go forward (pending, running, then an end): whether a step back
is made or ignored is the queue's choice. A job whose lease ends, or whose attempt fails, may wait and run again; one
whose end was acknowledged may not. An update of a job that is not there yet may do nothing, and raise nothing.

Beyond that, all calls of a job's callers must have one order that explains every status read, each call within its time
(see ``status_register``): so two reads that see an update come and go are seen, too.

Blind to: what an update does besides the status.
"""

from __future__ import annotations

from collections.abc import Mapping

from midpipe.scenarios.invariants.linearizability import NEVER, Answer
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
from midpipe.scenarios.model.history import Completion, Json, Operation, Phase, is_over_at_once
from midpipe.scenarios.model.verdict import Severity

_RANKS = {"pending": 0, "running": 1, "completed": 2, "failed": 2}


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    for job_id in sorted({update.job_id for update in _updates(evidence)}):
        observed += 1
        for seen, began, ended, where in _sightings(evidence, job_id):
            allowed = _allowed(evidence, job_id, began, ended)
            if allowed and seen not in allowed:
                violations.append(
                    ViolationEvidence(
                        f"{where} {job_id} is {_told(seen)}; acknowledged is {' or '.join(sorted(allowed))}.",
                        "update_status",
                    )
                )
        if not violations and not _again(evidence):
            checked = check_status(register_of(evidence, job_id))
            if checked.answer is Answer.VIOLATED:
                violations.append(
                    ViolationEvidence(f"Of {job_id}, {checked.why}.", "update_status")
                )
            elif checked.answer is Answer.UNKNOWN:
                observed -= 1
    return Judgement(observed, tuple(violations))


def register_of(evidence: Evidence, job_id: str) -> list[Event]:
    """Return what was set and what was read of a job's status; an end is before the begin that comes at its moment."""
    owners = {update.workspace_id for update in _updates(evidence) if update.job_id == job_id}
    events: list[Event] = []
    for operation in evidence.history:
        claimed = operation.value if operation.method == "claim" else None
        job = claimed.get("job_id") if isinstance(claimed, Mapping) else operation.job_id
        start, end = 2.0 * operation.invoked_at, 2.0 * operation.completed_at - 1
        status = "running" if operation.method == "claim" else _status_set(operation)
        if job != job_id or operation.completion is Completion.FAIL:
            continue
        if status and operation.method in ("update_status", "claim", "complete"):
            surely = _is_acknowledged(evidence, operation)
            events.append(Set(status, start, end if surely else NEVER, surely))
        elif operation.method == "get_job" and operation.workspace_id in owners:
            read = status_of(operation.value)
            events += [Seen(read, start, end)] if read else []
    return events


def _updates(evidence: Evidence) -> tuple[Operation, ...]:
    return tuple(
        operation
        for operation in evidence.operations("update_status", "claim", "complete")
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
    """Return the statuses a read may show; empty if nothing was acknowledged before it.

    An update is overtaken once one further on, called after its end, has been acknowledged. One that was called while
    the read was under way may show.

    Args:
        began, ended: of the read, in the case's order of events.
    """
    updates = [u for u in _updates(evidence) if u.job_id == job_id and u.invoked_at <= ended]
    acknowledged = [u for u in updates if u.completed_at <= began and _is_acknowledged(evidence, u)]
    if not acknowledged:
        return set()
    return {
        _status_set(update)
        for update in updates
        if not any(
            later.invoked_at >= update.completed_at
            and _RANKS.get(_status_set(later), 0) > _RANKS.get(_status_set(update), 0)
            for later in acknowledged
        )
    } | (set() if any(map(_is_end, acknowledged)) else _again(evidence))


def _is_acknowledged(evidence: Evidence, update: Operation) -> bool:
    return update.answered and (
        update.method != "update_status" or _met_its_job(evidence, update.job_id, update.invoked_at)
    )


def _met_its_job(evidence: Evidence, job_id: str, moment: int) -> bool:
    """Return whether a job was surely there at a moment: laid, put in by a call that had ended, or seen by one."""
    asked = [o for o in evidence.history if o.method == "enqueue" and o.job_id == job_id]
    was_laid = evidence.moments[0].tables.has_data(job_id)
    if was_laid or not (asked or _is_never_seen(evidence, job_id)):
        return True
    put = {(o.phase, o.client, o.request) for o in asked if o.wrote and o.completed_at <= moment}
    return any(
        (o.method == "enqueue" and o.answered and (o.phase, o.client, o.request) in put)
        or (o.method in ("get_job", "claim") and _job_in(o.value) == job_id)
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
    return _RANKS.get(_status_set(update)) == _RANKS["completed"]


def _again(evidence: Evidence) -> set[str]:
    """Return the statuses that a job may fall back to because a lease has ended or an attempt has failed."""
    comes_back = evidence.leases_ended or any(
        operation.method in GIVE_BACK or is_over_at_once(operation.arguments)
        for operation in evidence.history
    )
    return {"pending", "running", "failed"} if comes_back else set()


def _sightings(evidence: Evidence, job_id: str) -> list[tuple[str, int, int, str]]:
    """Return (status seen, when the read began and ended, where) for every read of the job."""
    # Another workspace must not find the job at all, and that is for isolation to see.
    owners = {update.workspace_id for update in _updates(evidence) if update.job_id == job_id}
    sightings = [
        (status_of(read.value), read.invoked_at, read.completed_at, "A later read says")
        for read in evidence.history
        if read.method == "get_job" and read.phase is not Phase.PREPARE
        if read.answered and read.job_id == job_id and read.workspace_id in owners
    ]
    end = max((operation.completed_at for operation in evidence.history), default=0) + 1
    for (known, workspace_id), job in evidence.read_back.items():
        if known == job_id and workspace_id in owners:
            sightings.append((status_of(job), end, end, "Once all is quiet,"))
    return sightings


def _told(status: str) -> str:
    return status or "not found"


STATUS_ORDER = Invariant(
    id="status-order",
    when="finally",
    claim="An acknowledged update is seen by every later read, and never undone by an older one.",
    severity=Severity.HIGH,
    check=_check,
    why_not=needs_one_of("update_status", "complete"),
)
