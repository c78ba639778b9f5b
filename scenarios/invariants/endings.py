"""Which calls may have ended a job: only those of which the history does not show that they left it undone. Pure.

A claim hands a job out, and a worker that holds it under a lease that lasts has not done it before it says so. A worker
that is refused has ended nothing. A call without an answer may have done what it was asked for.

Blind to: a job that ended without a call, by a time-out of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from midpipe.scenarios.model.evidence import GIVE_BACK, Evidence
from midpipe.scenarios.model.history import Completion, Operation, job_received
from midpipe.scenarios.model.promises import Delivery

SHORTEST_LASTING_LEASE_S = 1.0
_END_ANY_JOB = ("work", "tick", "dequeue")
_END_THEIR_JOB = ("update_status", "cancel")
_ARE_REFUSED = ("complete", *GIVE_BACK)
_END_CALLS = frozenset({"complete", "update_status"})


def may_have_ended(evidence: Evidence, job_id: str, *, before: float) -> bool:
    """Whether a call that began before an ordinal may have ended a job, or is the reason why it ended later."""
    return any(
        call.invoked_at < before
        and call.completion is not Completion.FAIL
        and _may_end(evidence, call, job_id)
        for call in evidence.history
    )


def may_have_lost_its_lease(evidence: Evidence, call: Operation) -> bool:
    """Whether the lease that a call asked for may have ended before the program did."""
    lease_s = call.arguments.get("lease_s")
    if isinstance(lease_s, int | float) and lease_s < SHORTEST_LASTING_LEASE_S:
        return True
    if evidence.passed_s is None:
        # Where a claim asks for a length, midpipe made it short in a case in which leases end.
        return lease_s is None and evidence.leases_ended
    return evidence.has_lease_ended(call)


def _may_end(evidence: Evidence, call: Operation, job_id: str) -> bool:
    if call.method in _END_ANY_JOB:
        return True
    if call.method == "claim":
        return _may_end_by_a_claim(evidence, call, job_id)
    if call.job_id not in ("", job_id):
        return False
    if call.method == "heartbeat":
        return not _lasts(evidence, call) and not _is_handed_out_again(evidence, call, job_id)
    if call.method in _ARE_REFUSED:
        return call.value is not False or _is_disturbed(evidence, call)
    return call.method in _END_THEIR_JOB


def _may_end_by_a_claim(evidence: Evidence, claim: Operation, job_id: str) -> bool:
    """Whether a claim has done the job, or its lease has ended, after which some queues give a job up."""
    may_take_it_for_good = (
        evidence.traits.promises.delivery is Delivery.AT_MOST_ONCE
        or not _END_CALLS & evidence.traits.methods
        # It was handed out without a lease.
        or not (claim.value in (None, False) or isinstance(claim.value, Mapping))
    )
    if may_take_it_for_good or not claim.answered:
        return True
    took_no_lease_on_it = job_received(claim) != job_id and not _is_disturbed(evidence, claim)
    return not (
        took_no_lease_on_it
        or _lasts(evidence, claim)
        or _is_handed_out_again(evidence, claim, job_id)
    )


def _lasts(evidence: Evidence, call: Operation) -> bool:
    """Whether the lease that a call asked for lasts, also by the queue's own time-out."""
    own_s, passed_s = evidence.traits.promises.visibility_timeout_s, evidence.passed_s
    is_over = own_s is not None and (passed_s is None or passed_s >= own_s)
    return not (is_over or may_have_lost_its_lease(evidence, call))


def _is_handed_out_again(evidence: Evidence, call: Operation, job_id: str) -> bool:
    """Whether a worker got the job after a call, which so has not ended it, and it was not put in again meanwhile."""
    return any(
        job_received(claim) == job_id
        and claim.invoked_at >= call.completed_at
        and not _is_put_in(evidence, job_id, call.invoked_at, claim.completed_at)
        for claim in evidence.history
        if claim.method == "claim"
    )


def _is_put_in(evidence: Evidence, job_id: str, after: int, before: int) -> bool:
    return any(
        call.method == "enqueue"
        and call.job_id == job_id
        and call.value is not False
        and call.completed_at > after
        and call.invoked_at < before
        for call in evidence.history
    )


def _is_disturbed(evidence: Evidence, call: Operation) -> bool:
    """Whether a fault, which may be one of the whole server, met a call: its driver may have sent a command twice."""
    return any(
        other.faulted
        and other.invoked_at < call.completed_at
        and call.invoked_at < other.completed_at
        for other in evidence.history
    )
