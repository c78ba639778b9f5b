"""no-duplicate: one request id, one job; one job id, one place in the queue.

A job may be delivered twice only after a crash or an expired lease, and by ``dequeue`` never, unless the queue promises
at-least-once. It may never be finished twice: the queue must refuse a worker that has lost its lease.

Blind to: a worker that runs a job twice by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from midpipe.scenarios.invariants.deduplication import (
    is_still_known,
    occurs_too_often,
    seeded_jobs,
)
from midpipe.scenarios.invariants.endings import may_have_lost_its_lease
from midpipe.scenarios.invariants.repeated_runs import unexplained_repeats
from midpipe.scenarios.model.evidence import (
    GIVE_BACK,
    Evidence,
    Invariant,
    Judgement,
    ViolationEvidence,
)
from midpipe.scenarios.model.history import Operation, job_received
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.promises import Deduplicates, Delivery


def _check(evidence: Evidence) -> Judgement:
    delivered, finished = evidence.delivered or (), _finished(evidence)
    counted = (
        ("ran {} times", "work", unexplained_repeats(evidence)),
        ("was delivered {} times", "", _repeated(evidence, delivered)),
        ("was handed to {} workers at once", "claim", _repeated(evidence, _leased(evidence))),
        ("was taken {} times", "dequeue", _repeated(evidence, _taken(evidence))),
        ("was finished {} times", "complete", _repeated(evidence, finished)),
    )
    violations = (
        *_requests_in_several_jobs(evidence),
        *(
            ViolationEvidence(f"{job_id} {what.format(count)}.", method)
            for what, method, repeated in counted
            for job_id, count in repeated
        ),
        *_several_places(evidence),
    )
    observed = len(evidence.operations("enqueue")) + len(delivered) + len(finished)
    return Judgement(observed, violations)


def _requests_in_several_jobs(evidence: Evidence) -> Iterator[ViolationEvidence]:
    """Yield the requests of which more than one job exists that nothing but the request can have made."""
    if evidence.traits.promises.deduplicates is not Deduplicates.REQUEST:
        return
    jobs_of: dict[tuple[str, str], set[str]] = {}
    requests_of: dict[str, set[tuple[str, str]]] = {}
    for call in evidence.history:
        if call.method == "enqueue":
            request = call.workspace_id, call.request_id
            jobs_of.setdefault(request, set()).add(call.job_id)
            requests_of.setdefault(call.job_id, set()).add(request)
    seeded = seeded_jobs(evidence)
    for (_, request_id), asked_for in sorted(jobs_of.items()):
        jobs = sorted(
            job_id
            for job_id in asked_for - seeded
            if len(requests_of[job_id]) == 1 and _exists(evidence, job_id)
        )
        if request_id and len(jobs) > 1 and is_still_known(evidence, jobs):
            seen = f"request {request_id} ended in {len(jobs)} jobs: {', '.join(jobs)}."
            yield ViolationEvidence(seen, "enqueue")


def _several_places(evidence: Evidence) -> Iterator[ViolationEvidence]:
    """Yield the jobs that had several places in the queue, each at the first such moment, unless delivered as often."""
    reported = dict(_repeated(evidence, evidence.delivered or ()))
    queued = {
        job_id: (count, moment)
        for moment in reversed(evidence.moments)
        for job_id, count in _repeated(evidence, moment.tables.pending)
        if job_id not in reported
    }
    for job_id, (count, moment) in sorted(queued.items(), key=lambda each: each[0]):
        seen = f"After {moment.place}, {job_id} has {count} places in the queue."
        yield ViolationEvidence(seen, moment.method, position=moment.position)


def _leased(evidence: Evidence) -> tuple[str, ...]:
    """Return the jobs that the program's claims received under leases which outlast the case, once for each lease.

    A client that claims again and gets the same job with the same token still has the lease that it had.
    """
    leases: dict[tuple[object, ...], str] = {}
    for number, claim in enumerate(evidence.operations("claim")):
        if (
            isinstance(claim.value, dict)
            and isinstance(job_id := claim.value.get("job_id"), str)
            and not may_have_lost_its_lease(evidence, claim)
            and not _is_given_up(evidence, claim, job_id)
        ):
            token = claim.value.get("lease_token")
            known_by = (number,) if token is None else (claim.client, repr(token))
            leases[job_id, *known_by] = job_id
    return tuple(leases.values())


def _taken(evidence: Evidence) -> tuple[str, ...]:
    """Return the jobs that the program's dequeues have taken, once for each time, and again if the drain did."""
    if evidence.traits.promises.delivery is Delivery.AT_LEAST_ONCE:
        return ()
    taken = tuple(filter(None, map(job_received, evidence.operations("dequeue"))))
    return (*taken, *dict.fromkeys(evidence.delivered or ()))


def _finished(evidence: Evidence) -> tuple[str, ...]:
    """Return the jobs that were completed, once for each lease: the holder of one may complete its job twice."""
    holders = {
        (done.job_id, done.client, repr(done.arguments.get("lease_token")))
        for done in evidence.operations("complete")
        if done.value is True
    }
    return tuple(job_id for job_id, *_ in sorted(holders))


def _is_given_up(evidence: Evidence, claim: Operation, job_id: str) -> bool:
    """Whether the worker has let go of the job that this claim received, or has let its lease end."""
    return any(
        other.client == claim.client
        and other.job_id == job_id
        and other.invoked_at >= claim.completed_at
        and (other.method in GIVE_BACK or may_have_lost_its_lease(evidence, other))
        for other in evidence.operations(*GIVE_BACK, "heartbeat")
    )


def _repeated(evidence: Evidence, job_ids: Iterable[str]) -> list[tuple[str, int]]:
    """Return the jobs that occur more often than their enqueues account for, and how often."""
    return [
        (job_id, count)
        for job_id, count in sorted(Counter(job_ids).items())
        if occurs_too_often(evidence, job_id, count, Deduplicates.JOB, Deduplicates.REQUEST)
    ]


def _exists(evidence: Evidence, job_id: str) -> bool:
    return evidence.found(job_id) or job_id in (evidence.delivered or ())


NO_DUPLICATE = Invariant(
    id="no-duplicate",
    when="finally",
    claim="One request id, one job; one job id, one place in the queue, one worker at a time.",
    severity=Severity.HIGH,
    check=_check,
)
