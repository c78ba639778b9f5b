"""no-duplicate: one request id, one job; one job id, one place in the queue.

A job may be delivered twice only after a crash or an expired lease, and by ``dequeue`` never, unless the queue promises
at-least-once. Such a queue that knows neither jobs nor requests again may also get a job twice from a client whose
enqueue lost its answer. It may never be finished twice: the queue must refuse a worker that has lost its lease.

Blind to: a worker that runs a job twice by itself.
"""

from __future__ import annotations

from collections import Counter

from midpipe.scenarios.invariants.executions import (
    enqueues_of,
    may_be_sent_again,
    unexplained_repeats,
)
from midpipe.scenarios.model.evidence import (
    GIVE_BACK,
    Evidence,
    Invariant,
    Judgement,
    ViolationEvidence,
)
from midpipe.scenarios.model.history import Operation, Phase, attempts_by_request, job_received
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.promises import Deduplicates, Delivery

SHORTEST_LASTING_LEASE_S = 1.0
KNOWN_FOR_S = 3_600.0
"""For how long a queue knows a request if it does not say so itself: shorter than any such time-out in use."""


def _check(evidence: Evidence) -> Judgement:
    requests: dict[tuple[str, str], set[str]] = {}
    asked_by: dict[str, set[tuple[str, str]]] = {}
    seeded = _seeded_jobs(evidence)
    observed = 0
    for attempts in attempts_by_request(evidence.history, "enqueue", Phase.PREPARE, Phase.PROGRAM):
        for attempt in attempts:
            observed += attempt.phase is Phase.PROGRAM
            key = (attempt.workspace_id, attempt.request_id)
            requests.setdefault(key, set()).add(attempt.job_id)
            asked_by.setdefault(attempt.job_id, set()).add(key)
    # A job that another request asked for as well, or that was seeded, may exist for that reason.
    violations = [
        ViolationEvidence(
            f"request {request} ended in {len(jobs)} jobs: {', '.join(jobs)}.", "enqueue"
        )
        for (_, request), asked in sorted(requests.items())
        if request
        and evidence.traits.promises.deduplicates is Deduplicates.REQUEST
        and _is_still_known(evidence)
        and len(
            jobs := sorted(
                job for job in asked - seeded if len(asked_by[job]) == 1 and _exists(evidence, job)
            )
        )
        > 1
    ]
    violations += [
        ViolationEvidence(f"{job_id} ran {count} times.", "work")
        for job_id, count in unexplained_repeats(evidence)
    ]
    delivered = evidence.delivered or ()
    violations += [
        ViolationEvidence(f"{job_id} was delivered {count} times.")
        for job_id, count in _repeated(evidence, delivered)
    ]
    queued = {
        job_id: (count, moment)
        for moment in reversed(evidence.moments)
        for job_id, count in _repeated(evidence, moment.tables.pending)
        if job_id not in dict(_repeated(evidence, delivered))
    }
    violations += [
        ViolationEvidence(
            f"After {moment.place}, {job_id} has {count} places in the queue.",
            moment.method,
            position=moment.position,
        )
        for job_id, (count, moment) in sorted(queued.items(), key=lambda each: each[0])
    ]
    violations += [
        ViolationEvidence(f"{job_id} was handed to {count} workers at once.", "claim")
        for job_id, count in _repeated(evidence, _leased(evidence))
    ]
    violations += [
        ViolationEvidence(f"{job_id} was taken {count} times.", "dequeue")
        for job_id, count in _repeated(evidence, _taken(evidence))
    ]
    # The holder of a lease may complete its job twice.
    holders = {
        (done.job_id, done.client, repr(done.arguments.get("lease_token")))
        for done in evidence.operations("complete")
        if done.value is True
    }
    finished = tuple(job_id for job_id, *_ in sorted(holders))
    violations += [
        ViolationEvidence(f"{job_id} was finished {count} times.", "complete")
        for job_id, count in _repeated(evidence, finished)
    ]
    return Judgement(observed + len(delivered) + len(finished), tuple(violations))


def _is_still_known(evidence: Evidence) -> bool:
    """Whether so little time passed on a stepped clock that the queue must still know a request."""
    known_s = evidence.traits.promises.deduplicates_for
    return (evidence.passed_s or 0.0) < (
        known_s if isinstance(known_s, int | float) else KNOWN_FOR_S
    )


def _seeded_jobs(evidence: Evidence) -> set[str]:
    """Return the jobs that existed at the start without an enqueue call."""
    if not evidence.traits.white_box:
        return set()
    prepared = {call.job_id for call in evidence.history if call.phase is Phase.PREPARE}
    return set(evidence.moments[0].tables.job_ids) - prepared


def _leased(evidence: Evidence) -> tuple[str, ...]:
    """Return the jobs that the program's claims received under a lease which outlasts the case."""
    return tuple(
        job_id
        for claim in evidence.operations("claim")
        if isinstance(claim.value, dict)
        and isinstance(job_id := claim.value.get("job_id"), str)
        and not _has_ended(evidence, claim)
        and not _is_given_up(evidence, claim, job_id)
    )


def _taken(evidence: Evidence) -> tuple[str, ...]:
    """Return the jobs that the program's dequeues have taken, once for each time, and again if the drain did."""
    if evidence.traits.promises.delivery is Delivery.AT_LEAST_ONCE:
        return ()
    taken = tuple(filter(None, map(job_received, evidence.operations("dequeue"))))
    return (
        *taken,
        *(job_id for job_id in dict.fromkeys(evidence.delivered or ()) if job_id in taken),
    )


def _is_given_up(evidence: Evidence, claim: Operation, job_id: str) -> bool:
    """Whether the worker has let go of the job that this claim received, or has let its lease end."""
    return any(
        other.client == claim.client
        and other.job_id == job_id
        and other.invoked_at >= claim.completed_at
        and (other.method in GIVE_BACK or _has_ended(evidence, other))
        for other in evidence.operations(*GIVE_BACK, "heartbeat")
    )


def _has_ended(evidence: Evidence, call: Operation) -> bool:
    """Whether the lease that a call asked for may have ended before the program did."""
    lease_s = call.arguments.get("lease_s")
    is_short = isinstance(lease_s, int | float) and lease_s < SHORTEST_LASTING_LEASE_S
    return is_short or (evidence.passed_s is not None and evidence.has_lease_ended(call))


def _repeated(evidence: Evidence, job_ids: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return the jobs that occur more often than they may: once, or once for each enqueue if none are the same job."""
    promises_nothing = evidence.traits.promises.deduplicates is Deduplicates.NONE
    return [
        (job_id, count)
        for job_id, count in sorted(Counter(job_ids).items())
        if count > (enqueues_of(evidence, job_id) if promises_nothing else 1)
        and not may_be_sent_again(evidence, job_id)
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
