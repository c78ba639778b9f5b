"""no-lost-job: every enqueue that was answered left a job that get_job finds and a worker receives.

True means that the job has been accepted, and False that it was accepted before; the caller relies on either. A job
that its program has moved on (running, completed, failed) needs no further delivery.

A job that has failed (its body raised, or ``fail`` was called) must be tried again once, or be kept as failed, if the
queue promises that (``after_failure``) or has shown it without faults. How often it is tried further is not promised.

A job whose workers have all died must reach another one within the time that the queue promises
(``recovers_within_s``).

A job that ``dequeue`` returned is its caller's. Of a queue that promises at-most-once, a dequeue or a claim of which a
reply got lost may have taken any job.

Blind to: a job that is found and delivered with wrong contents; see answer-is-true and no-divergence. A job that a
worker may have claimed, if its return is promised later than recovery waits. Two jobs lost by one dequeue. A failed
job of which some key has a record that it did not have when the job was enqueued: that job counts as kept.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.executions import is_left, may_end_failed, missing_run
from midpipe.scenarios.model.evidence import (
    GIVE_BACK,
    Evidence,
    Invariant,
    Judgement,
    ViolationEvidence,
    status_of,
)
from midpipe.scenarios.model.history import (
    Completion,
    Json,
    Operation,
    Phase,
    attempts_by_request,
    is_over_at_once,
    job_received,
)
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.promises import AfterCrash, Delivery, Retention

_LEASES = frozenset({"claim", "heartbeat", "complete"})


def is_odd(answer: Json) -> bool:
    """Whether an answer of enqueue says neither that the job is accepted (true, or None) nor that it was in (False)."""
    return not answer and answer not in (None, False)


def candidates(evidence: Evidence, attempts: tuple[Operation, ...]) -> tuple[str, ...]:
    """Return the jobs to which an answer to these attempts may refer: their own, and those of the same request id."""
    last = attempts[-1]
    own = {attempt.job_id for attempt in attempts}
    same = {
        operation.job_id
        for operation in evidence.history
        if operation.request_id
        and operation.request_id == last.request_id
        and (operation.workspace_id == last.workspace_id or not evidence.traits.has_workspaces)
        and operation.invoked_at < last.completed_at
    }
    return tuple(sorted(own | same))


def is_lost(evidence: Evidence, job_ids: tuple[str, ...]) -> str:
    """Return why all of the jobs are lost, as one clause; an empty string if one of them is not."""
    if evidence.runs_jobs:
        missing_runs = [missing_run(evidence, job_id) for job_id in job_ids]
        is_stuck = any(is_left(evidence, job_id) for job_id in job_ids)
        return "" if is_stuck or not all(missing_runs) else missing_runs[0]
    missing = "get_job finds no such job"
    for job_id in job_ids:
        if has_left_rightly(evidence, job_id):
            return ""
        if evidence.can_read and not evidence.found(job_id):
            continue
        received = evidence.delivered is None or job_id in evidence.delivered
        if received or _has_moved_on(evidence, job_id) or _may_be_held(evidence, job_id):
            return ""
        if _may_come_later(evidence) or is_cancelled(evidence, job_id):
            return ""
        missing = "no worker ever receives it" + (
            f": asked for a job, the queue raises {evidence.drain_error.type}"
            if evidence.drain_error
            else ""
        )
        if _was_finished(evidence, job_id):
            missing = (
                "it runs again after a worker has finished it, and no other worker receives it"
            )
        elif _failures(evidence, job_id):
            missing = "no worker receives it again after it has failed"
    return missing


def _may_come_later(evidence: Evidence) -> bool:
    """Whether the queue's periodic work may still put a job in its place after recovery has stopped waiting."""
    traits = evidence.traits
    outlasts_wait = traits.promises.recovery_outlasts_wait(evidence.longest_wait_s)
    return outlasts_wait and "tick" in traits.methods


def is_cancelled(evidence: Evidence, job_id: str) -> bool:
    """Whether a call that cancels the job had an effect, or may have had one."""
    return any(
        call.job_id == job_id and call.completion is not Completion.FAIL and call.value is not False
        for call in evidence.operations("cancel")
    )


def has_left_rightly(evidence: Evidence, job_id: str) -> bool:
    """Whether the job need not be found: it was taken by a dequeue, finished and deleted, or has failed for good."""
    return (
        _is_taken(evidence, job_id)
        or _is_deleted_after_its_end(evidence, job_id)
        or _has_failed_for_good(evidence, job_id)
    )


def _failures(evidence: Evidence, job_id: str) -> tuple[Operation, ...]:
    """Return the reports of a worker that the job has failed, without those that surely had no effect."""
    return tuple(
        call
        for call in evidence.operations("fail")
        if call.job_id == job_id
        and call.completion is not Completion.FAIL
        and call.value is not False
    )


def _has_failed_for_good(evidence: Evidence, job_id: str) -> bool:
    """Whether the job has failed and need not be handed out again; not if the queue says that it is yet to be done."""
    failures = _failures(evidence, job_id)
    if not failures or _status(evidence, job_id) in ("pending", "running"):
        return False
    promises = evidence.traits.promises
    may_be_lost = promises.delivery is Delivery.AT_MOST_ONCE or (
        promises.after_crash is not AfterCrash.RERUNS and failures[-1].caller_died
    )
    handed_out = sum(
        job_received(claim) == job_id or _may_have_received_one(evidence, claim)
        for claim in evidence.operations("claim")
    )
    # A report that is sent again because its answer got lost may count as a further failure.
    tries = max(handed_out, len(failures))
    return may_be_lost or may_end_failed(evidence, job_id, tries)


def _is_taken(evidence: Evidence, job_id: str) -> bool:
    if any(job_received(dequeue) == job_id for dequeue in evidence.operations("dequeue")):
        return True
    return evidence.traits.promises.delivery is Delivery.AT_MOST_ONCE and any(
        _may_have_taken_unseen(take) for take in evidence.operations("claim", "dequeue")
    )


def _may_have_taken_unseen(take: Operation) -> bool:
    """Whether the server may have handed out a job in this call that its caller did not get.

    A driver that repeats a command whose reply got lost returns the second job, or none, without an exception.
    """
    return take.completion is Completion.INFO or (take.answered and take.faulted and take.wrote)


def _is_deleted_after_its_end(evidence: Evidence, job_id: str) -> bool:
    """Whether a worker may have finished the job, and the queue shows no finished job, or lets it expire."""
    deletes = evidence.traits.promises.retention is Retention.DELETES
    if evidence.can_read and not deletes and job_id not in evidence.expired:
        return False
    return any(
        operation.job_id == job_id
        and operation.completion is not Completion.FAIL
        and operation.value is not False
        and not (evidence.can_read and operation.arguments.get("status") in ("pending", "running"))
        for operation in evidence.operations("complete", "update_status", "cancel")
    )


def _has_moved_on(evidence: Evidence, job_id: str) -> bool:
    status = _status(evidence, job_id)
    if status == "running":
        # Once all leases have ended, another worker must have received it.
        must_be_received = (
            evidence.leases_ended and _was_claimed(evidence, job_id)
        ) or _is_left_by_the_dead(evidence, job_id)
        return not must_be_received or job_id in evidence.given_up
    return status in ("completed", "failed")


def _status(evidence: Evidence, job_id: str) -> str:
    """Return the status of the job that get_job reported, or an empty string."""
    found = (job for (known, _), job in evidence.read_back.items() if known == job_id and job)
    return status_of(next(found, None))


def _was_finished(evidence: Evidence, job_id: str) -> bool:
    return any(
        operation.job_id == job_id and operation.value is True
        for operation in evidence.operations("complete")
    )


def _may_be_held(evidence: Evidence, job_id: str) -> bool:
    """Whether the program's worker may hold the job under a lease that has not ended, so that no other receives it.

    The job's status need not be running then, because a queue may take a lock first. A job that is held for ever shows
    in the programs whose leases end. One that has failed and that no key names any more is not held.
    """
    if job_id in evidence.vanished and _failures(evidence, job_id):
        return False
    if _is_left_by_the_dead(evidence, job_id):
        return False
    outlasts_wait = evidence.traits.promises.recovery_outlasts_wait(evidence.longest_wait_s)
    # Without an answer, what looks like a lock may be a job that was popped and is gone.
    traits = evidence.traits
    has_leases = traits.methods >= _LEASES or "lease_s" in (traits.accepts.get("claim") or ())
    return any(
        claim.value.get("job_id") == job_id
        if isinstance(claim.value, dict)
        else has_leases and _may_have_received_one(evidence, claim)
        for claim in evidence.operations("claim")
        if not _is_given_up(evidence, claim, job_id)
        and (outlasts_wait or not _has_ended(evidence, claim))
    )


def _has_ended(evidence: Evidence, claim: Operation) -> bool:
    """Whether the lease that was asked for had ended before the queue was drained."""
    if is_over_at_once(claim.arguments) and not _may_be_renewed(evidence, claim):
        return True
    return evidence.leases_ended and "lease_s" in claim.arguments


def _may_be_renewed(evidence: Evidence, claim: Operation) -> bool:
    """Whether a heartbeat of the worker may have given it a lease that lasts, for the job that it had claimed."""
    return any(
        beat.client == claim.client
        and beat.invoked_at >= claim.completed_at
        and job_received(claim) in (None, beat.job_id)
        and beat.completion is not Completion.FAIL
        and beat.value is not False
        and not is_over_at_once(beat.arguments)
        for beat in evidence.operations("heartbeat")
    )


def _is_left_by_the_dead(evidence: Evidence, job_id: str) -> bool:
    """Whether every worker that received the job has died since, and the time is over within which it runs again.

    A back-off may keep the job longer than that. A claim without an answer may have taken it only if its caller died.
    """
    promises = evidence.traits.promises
    is_promised = (
        promises.delivery is not Delivery.AT_MOST_ONCE
        and promises.after_crash is AfterCrash.RERUNS
        and promises.recovery_is_judged(evidence.longest_wait_s)
    )
    holders = [
        claim
        for claim in evidence.operations("claim")
        if job_received(claim) == job_id or _may_have_received_one(evidence, claim)
    ]
    is_delayed = any(call.arguments.get("back_off_s") for call in evidence.operations(*GIVE_BACK))
    return (
        is_promised
        and not is_delayed
        and bool(holders)
        and all(_died_later(evidence, claim) for claim in holders)
    )


def _died_later(evidence: Evidence, claim: Operation) -> bool:
    return any(
        call.caller_died and call.client == claim.client and call.completed_at >= claim.completed_at
        for call in evidence.history
    )


def _is_given_up(evidence: Evidence, claim: Operation, job_id: str) -> bool:
    """Whether the worker has released the job that it claimed, so that another one may claim it at once.

    An answer of False means that there was no lease to release: an earlier attempt may have released it.
    """
    return any(
        operation.answered
        and operation.client == claim.client
        and operation.job_id == job_id
        and operation.invoked_at >= claim.completed_at
        and not operation.arguments.get("back_off_s")
        for operation in evidence.operations(*GIVE_BACK)
    )


def _was_claimed(evidence: Evidence, job_id: str) -> bool:
    """Whether the program's worker received the job under a lease, or may have."""
    return any(
        claim.value.get("job_id") == job_id
        if isinstance(claim.value, dict)
        else _may_have_received_one(evidence, claim)
        for claim in evidence.operations("claim")
        if "lease_s" in claim.arguments
    )


def _may_have_received_one(evidence: Evidence, claim: Operation) -> bool:
    """Whether a claim without an answer may have taken a job, unknown to its worker."""
    only_housekeeping = evidence.traits.white_box and claim.wrote and not claim.wrote_job
    return claim.completion is Completion.INFO and not only_housekeeping


def _is_removed_by_seed(evidence: Evidence, prepared: Operation) -> bool:
    """Whether the program's own seed has removed the job, so that the subject has not lost it."""
    if prepared.phase is not Phase.PREPARE or not evidence.traits.white_box:
        return False
    return prepared.job_id not in evidence.moments[0].tables.old


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    for attempts in attempts_by_request(evidence.history, "enqueue", Phase.PREPARE, Phase.PROGRAM):
        last = attempts[-1]
        if not last.answered or is_odd(last.value) or _is_removed_by_seed(evidence, last):
            continue
        observed += 1
        job_ids = candidates(evidence, attempts)
        missing = is_lost(evidence, job_ids)
        if missing:
            jobs = " or ".join(job_ids)
            violations.append(
                ViolationEvidence(
                    f"enqueue answered {last.value} for {jobs}, but {missing}.", "enqueue"
                )
            )
    return Judgement(observed, tuple(violations))


NO_LOST_JOB = Invariant(
    id="no-lost-job",
    when="finally",
    claim="Every enqueue that was answered left a job that get_job finds and a worker receives.",
    severity=Severity.CRITICAL,
    check=_check,
)
