"""no-stuck-job: an accepted job that has not run does not stay in Redis with no worker getting it.

A job that some key still names is stuck; one that no key names is lost (no-lost-job). Of a queue that hands jobs out, a
job is stuck that stays running after every lease on it has ended. The queue must have shown in the same case that it
gives a job out again when the lease that was asked for ends; otherwise it may count by a time-out of its own.

A job that a disturbed worker has left is judged only if the subject promises when it runs again
(``recovers_within_s``), and midpipe can wait for that.

Blind to: a job of a disturbed worker, if that promise is missing or longer than recovery waits; a job that a worker has
lost and that comes back only once that worker is gone, because recovery's workers are new ones; and a queue that hands
a job out once and never again, which no-lost-job judges in the programs whose leases end.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.executions import (
    is_left,
    missing_run,
    needs_work,
    worker_was_disturbed,
)
from midpipe.scenarios.invariants.no_lost_job import candidates, is_lost
from midpipe.scenarios.model.evidence import (
    GIVE_BACK,
    Evidence,
    Invariant,
    Judgement,
    Traits,
    ViolationEvidence,
)
from midpipe.scenarios.model.history import (
    Completion,
    Operation,
    Phase,
    attempts_by_request,
    is_over_at_once,
    job_received,
)
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.promises import AfterCrash, Delivery

_MOST_KEYS = 3
"""How many keys a violation names: a queue may name a job in an index for each of its fields."""
_LONGEST_KEY = 60
"""How many characters of a key a violation shows."""


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    promises = evidence.traits.promises
    is_judged = promises.recovery_is_judged(evidence.longest_wait_s)
    if worker_was_disturbed(evidence) and not is_judged:
        return Judgement(0)
    for attempts in attempts_by_request(evidence.history, "enqueue", Phase.PREPARE, Phase.PROGRAM):
        last = attempts[-1]
        if not last.answered or (last.value is False and not evidence.runs_jobs):
            continue
        if not evidence.runs_jobs:
            observed += _has_heeded_a_lease(evidence, last.job_id) or _has_come_back(
                evidence, last.job_id
            )
            if _is_stuck_in_running(evidence, last.job_id):
                violations.append(
                    ViolationEvidence(
                        f"{last.job_id} is running for ever: every lease on it has ended, and no worker gets it.",
                        "claim",
                    )
                )
            continue
        observed += 1
        # False says that the job was in already; so one of those that the caller may mean has to run.
        job_ids = candidates(evidence, attempts) if last.value is False else (last.job_id,)
        missing = [missing_run(evidence, job_id) for job_id in job_ids]
        if all(missing) and any(is_left(evidence, job_id) for job_id in job_ids):
            seen = f"{' or '.join(job_ids)} is still in Redis"
            keys = _keys_left(evidence, job_ids)
            violations.append(ViolationEvidence(f"{seen} ({keys}), and {missing[0]}.", "work"))
    return Judgement(observed, tuple(violations))


def _keys_left(evidence: Evidence, job_ids: tuple[str, ...]) -> str:
    """Return the keys that still name one of the jobs, in order: the first few by name, and how many more there are."""
    keys = sorted({key for job_id in job_ids for key in evidence.named.get(job_id, ())})
    shown = [f"{key[:_LONGEST_KEY]}…" if len(key) > _LONGEST_KEY else key for key in keys]
    more = len(keys) - _MOST_KEYS
    return ", ".join(shown[:_MOST_KEYS]) + (f" and {more} more" if more > 0 else "")


def _is_stuck_in_running(evidence: Evidence, job_id: str) -> bool:
    """Whether a job is running although no worker can hold it any more; false if no-lost-job reports it already."""
    promises = evidence.traits.promises
    is_rerun = (
        promises.delivery is not Delivery.AT_MOST_ONCE and promises.after_crash is AfterCrash.RERUNS
    )
    return (
        job_id in evidence.still_running
        and is_rerun
        and _has_heeded_a_lease(evidence, job_id)
        and not _may_be_held(evidence, job_id)
        and not is_lost(evidence, (job_id,))
    )


def _has_heeded_a_lease(evidence: Evidence, job_id: str) -> bool:
    """Whether the job was given out again after a lease on it had ended."""
    received = _claims_of(evidence, job_id)
    return any(
        is_over_at_once(first.arguments) and first.completed_at < again.completed_at
        for first in received
        for again in received
    )


def _has_come_back(evidence: Evidence, job_id: str) -> bool:
    """Whether recovery's worker received the job after a lease on it had ended."""
    ended = any(is_over_at_once(claim.arguments) for claim in _claims_of(evidence, job_id))
    return ended and job_id in (evidence.delivered or ())


def _claims_of(evidence: Evidence, job_id: str) -> tuple[Operation, ...]:
    """Return the program's claims that received the job."""
    claims = evidence.operations("claim")
    return tuple(claim for claim in claims if job_received(claim) == job_id)


def _may_be_held(evidence: Evidence, job_id: str) -> bool:
    """Whether a call that received the job, or may have, asked for a lease or a back-off that may last."""
    claims = (
        claim
        for claim in evidence.operations("claim")
        if job_received(claim) == job_id or claim.completion is Completion.INFO
    )
    kept = (
        call
        for call in evidence.operations("heartbeat", *GIVE_BACK, "update_status")
        if call.job_id == job_id and call.completion is not Completion.FAIL
    )
    return any(not is_over_at_once(call.arguments) for call in (*claims, *kept))


def _needs_work_or_claim(traits: Traits) -> str:
    """Return why the invariant does not apply, or an empty string."""
    if "claim" not in traits.methods or "work" in traits.methods:
        return needs_work(traits)
    return "" if "get_job" in traits.methods else "the subject has no get_job"


NO_STUCK_JOB = Invariant(
    id="no-stuck-job",
    when="finally",
    claim="A job that has not run is one that a worker still gets.",
    severity=Severity.HIGH,
    check=_check,
    why_not=_needs_work_or_claim,
)
