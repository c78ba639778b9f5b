"""no-duplicate: one request id, one job; one job id, one place in the queue.

Delivered twice is allowed only after a crash or an expired lease, which no program of one client has.

Blind to: a job that runs twice because a worker runs it twice.
"""

from __future__ import annotations

from collections import Counter

from scenarios.history import attempts_by_request
from scenarios.invariants.evidence import Breach, Evidence, Invariant, Judgement
from scenarios.verdict import Severity


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
    return Judgement(observed + len(delivered), tuple(breaches))


def _repeated(job_ids: tuple[str, ...]) -> list[tuple[str, int]]:
    return [(job_id, count) for job_id, count in sorted(Counter(job_ids).items()) if count > 1]


def _lives(evidence: Evidence, job_id: str) -> bool:
    return evidence.found(job_id) or job_id in (evidence.delivered or ())


NO_DUPLICATE = Invariant(
    id="no-duplicate",
    when="finally",
    claim="One request id, one job; one job id, one place in the queue.",
    severity=Severity.HIGH,
    check=_check,
)
