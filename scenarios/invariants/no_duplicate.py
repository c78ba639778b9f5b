"""no-duplicate: one request id, one job; one job id, one place in the queue.

Delivered twice is allowed only after a crash or an expired lease; finished twice never is: a worker that has
lost its lease must be told so.

Blind to: a job that runs twice because a worker runs it twice.
"""

from __future__ import annotations

from collections import Counter

from scenarios.history import Operation, attempts_by_request
from scenarios.invariants.evidence import Breach, Evidence, Invariant, Judgement
from scenarios.verdict import Severity

SHORTEST_LASTING_LEASE_S = 1.0


def _check(evidence: Evidence) -> Judgement:
    requests: dict[tuple[str, str], set[str]] = {}
    observed = 0
    for attempts in attempts_by_request(evidence.history, "enqueue"):
        for attempt in attempts:
            observed += 1
            if attempt.request_id:
                key = (attempt.workspace_id, attempt.request_id)
                requests.setdefault(key, set()).add(attempt.job_id)
    breaches = [
        Breach(f"request {request} ended in {len(jobs)} jobs: {', '.join(jobs)}.", "enqueue")
        for (_, request), asked in sorted(requests.items())
        if len(jobs := sorted(job for job in asked if _lives(evidence, job))) > 1
    ]
    delivered = evidence.delivered or ()
    breaches += [
        Breach(f"{job_id} was delivered {count} times.") for job_id, count in _repeated(delivered)
    ]
    queued = {
        job_id: (count, moment.place)
        for moment in reversed(evidence.moments)
        for job_id, count in _repeated(moment.tables.pending)
        if job_id not in dict(_repeated(delivered))
    }
    breaches += [
        Breach(f"After {place}, {job_id} has {count} places in the queue.")
        for job_id, (count, place) in sorted(queued.items())
    ]
    breaches += [
        Breach(f"{job_id} was given to {count} workers at once.", "claim")
        for job_id, count in _repeated(_leased(evidence))
    ]
    finished = tuple(done.job_id for done in evidence.operations("complete") if done.value is True)
    breaches += [
        Breach(f"{job_id} was finished {count} times.", "complete")
        for job_id, count in _repeated(finished)
    ]
    return Judgement(observed + len(delivered) + len(finished), tuple(breaches))


def _leased(evidence: Evidence) -> tuple[str, ...]:
    """Return the jobs that the program's claims got under a lease which does not expire at once."""
    jobs = [
        operation.value.get("job_id")
        for operation in evidence.operations("claim", "dequeue")
        if isinstance(operation.value, dict) and not _ends_soon(operation)
    ]
    return tuple(job for job in jobs if isinstance(job, str))


def _ends_soon(claim: Operation) -> bool:
    lease_s = claim.arguments.get("lease_s")
    return isinstance(lease_s, int | float) and lease_s < SHORTEST_LASTING_LEASE_S


def _repeated(job_ids: tuple[str, ...]) -> list[tuple[str, int]]:
    return [(job_id, count) for job_id, count in sorted(Counter(job_ids).items()) if count > 1]


def _lives(evidence: Evidence, job_id: str) -> bool:
    return evidence.found(job_id) or job_id in (evidence.delivered or ())


NO_DUPLICATE = Invariant(
    id="no-duplicate",
    when="finally",
    claim="One request id, one job; one job id, one place in the queue, one worker at a time.",
    severity=Severity.HIGH,
    check=_check,
)
