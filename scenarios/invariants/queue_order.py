"""queue-order: enqueues and claims could have happened one after the other on a first-in-first-out queue.

What a call did whose answer was lost is read off the server, where its keys can be read: a job that stood in the queue
by the end of its enqueue was put, and what left the queue at a command of a claim was taken by it.

So a claim that answers None while a job waits, and a job that overtakes another, are seen. A case whose jobs come back
(an expired lease, a failed attempt) or are moved on by update_status is not looked at.

Blind to: all that. Does not apply to a subject that says ``fifo = False``.
"""

from __future__ import annotations

from itertools import pairwise

from midpipe.scenarios.invariants.linearizability import NEVER, Answer, Put, Take, check_queue
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
)
from midpipe.scenarios.model.verdict import Severity

_CLAIMS = ("claim", "dequeue")


def puts_of(evidence: Evidence) -> list[Put]:
    """Return a put for each job that was surely or possibly enqueued, over all attempts at it."""
    by_job: dict[str, Put] = {}
    for operation in evidence.history:
        if operation.method != "enqueue" or operation.completion is Completion.FAIL:
            continue
        known = by_job.get(operation.job_id)
        answered = operation.answered and (operation.value is True or known is not None)
        if not operation.answered and was_queued(evidence, operation):
            answered = True
        if operation.answered and not answered:
            # It stands for a job of another id, which has a put of its own.
            continue
        end = _end(operation) if answered else NEVER
        start = _start(operation)
        if known is not None:
            start, end = min(known.start, start), min(known.end, end)
        by_job[operation.job_id] = Put(operation.job_id, start, end)
    return list(by_job.values())


def takes_of(evidence: Evidence) -> list[Take]:
    """Return a take for each claim of the program, and for each job that the drain received after it."""
    takes = []
    for attempts in attempts_by_request(evidence.history, "claim") + attempts_by_request(
        evidence.history, "dequeue"
    ):
        told = {_job_of(claim) for claim in attempts if claim.answered}
        unheard: list[Operation] = []
        for claim in attempts:
            if claim.completion is Completion.FAIL:
                continue
            if claim.answered:
                job_id = _job_of(claim)
                before = [other for other in unheard if _may_have_taken(evidence, other, job_id)]
                takes.append(Take(job_id, _start((*before, claim)[0]), _end(claim)))
                if _may_have_taken_unheard(evidence, claim):
                    takes.append(Take(None, _start(claim), NEVER))
                continue
            unheard.append(claim)
            taken = taken_by(evidence, claim)
            if not taken:
                # It may have taken nothing, and it may be under way yet.
                takes.append(Take(None, _start(claim), NEVER))
            # What a later attempt was told of is one take, and counted there.
            takes += [Take(job, _start(claim), _end(claim)) for job in taken if job not in told]
    quiet = 2.0 * (1 + max((operation.completed_at for operation in evidence.history), default=0))
    for number, job_id in enumerate(evidence.delivered or ()):
        takes.append(Take(job_id, quiet + 2 * number, quiet + 2 * number + 1))
    return takes


def was_queued(evidence: Evidence, enqueue: Operation) -> bool:
    """Whether the server had the job in its queue when the call ended, or before."""
    return evidence.traits.white_box and any(
        enqueue.job_id in moment.tables.pending
        for moment in evidence.moments[: enqueue.state_after + 1]
    )


def taken_by(evidence: Evidence, claim: Operation) -> tuple[str, ...]:
    """Return the jobs that were seen to leave the queue at a command of a claim before it ended."""
    if not evidence.traits.white_box:
        return ()
    before = max(
        (
            other.state_after
            for other in evidence.history
            if other.client == claim.client and other.completed_at <= claim.invoked_at
        ),
        default=0,
    )
    steps = pairwise(evidence.moments[before : claim.state_after + 1])
    return tuple(
        job
        for one, other in steps
        if other.place.startswith(claim.client)
        for job in one.tables.pending
        if job not in other.tables.pending
    )


def _may_have_taken(evidence: Evidence, claim: Operation, job_id: str | None) -> bool:
    """Whether a claim that was not answered may have taken the job that a later attempt was told of.

    A worker that moved the head of the queue to a list of its own, and was cut off, finds it there when it tries again.
    """
    return job_id is not None and (
        not evidence.traits.white_box or job_id in taken_by(evidence, claim)
    )


def _may_have_taken_unheard(evidence: Evidence, claim: Operation) -> bool:
    """Whether an answered claim may have taken one more job, of which its own driver did not hear.

    redis-py's ``transaction()`` calls its function again when the reply of EXEC is lost; the first job stays leased.
    """
    return not evidence.traits.white_box and claim.faulted and claim.wrote


def _job_of(claim: Operation) -> str | None:
    value = claim.value.get("job_id") if isinstance(claim.value, dict) else claim.value
    return value if isinstance(value, str) else None


def _start(operation: Operation) -> float:
    return 2.0 * operation.invoked_at


def _end(operation: Operation) -> float:
    # An operation that ends at the moment at which the next one begins comes before it.
    return 2.0 * operation.completed_at - 1


def _comes_back(evidence: Evidence) -> bool:
    return any(
        operation.method in (*GIVE_BACK, "update_status", "backfill")
        or is_over_at_once(operation.arguments)
        or evidence.leases_ended
        for operation in evidence.history
    )


def _check(evidence: Evidence) -> Judgement:
    puts, takes = puts_of(evidence), takes_of(evidence)
    prepared = any(o.phase is Phase.PREPARE and o.method in _CLAIMS for o in evidence.history)
    known = {put.value for put in puts}
    if (
        _comes_back(evidence)
        or prepared
        or not takes
        or any(take.value is not None and take.value not in known for take in takes)
    ):
        return Judgement(0)
    checked = check_queue(puts, takes)
    if checked.answer is Answer.VIOLATED:
        return Judgement(len(takes), (ViolationEvidence(f"{checked.why}.", "claim"),))
    return Judgement(len(takes) if checked.answer is Answer.HOLDS else 0)


def _why_not(traits: Traits) -> str:
    if not traits.fifo:
        return "the subject says that it keeps no order"
    if traits.white_box or traits.methods & set(_CLAIMS):
        return ""
    return "the subject has no claim or dequeue, and no queue that midpipe can read"


QUEUE_ORDER = Invariant(
    id="queue-order",
    when="finally",
    claim="Jobs are given out first in, first out, and a worker is told that none waits only if none does.",
    severity=Severity.MEDIUM,
    check=_check,
    why_not=_why_not,
)
