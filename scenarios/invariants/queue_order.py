"""queue-order: enqueues and claims could have happened one after the other on a first-in-first-out queue.

So a claim that answers None while a job waits, and a job that overtakes another, are seen. A case whose jobs come back
(an expired lease, a failed attempt) or are moved on by update_status is not looked at.

Blind to: all that. Does not apply to a subject that says ``fifo = False``.
"""

from __future__ import annotations

from scenarios.history import Completion, Operation, Phase
from scenarios.invariants.evidence import GIVE_BACK, Breach, Evidence, Invariant, Judgement, Traits
from scenarios.linearizability import NEVER, Answer, Put, Take, check_queue
from scenarios.verdict import Severity

_CLAIMS = ("claim", "dequeue")


def puts_of(evidence: Evidence) -> list[Put]:
    """Return a put for each job that was surely or possibly enqueued, over all attempts at it."""
    by_job: dict[str, Put] = {}
    for operation in evidence.history:
        if operation.method != "enqueue" or operation.completion is Completion.FAIL:
            continue
        known = by_job.get(operation.job_id)
        answered = operation.answered and (operation.value is True or known is not None)
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
    for claim in evidence.operations(*_CLAIMS):
        if claim.completion is Completion.FAIL:
            continue
        value = claim.value.get("job_id") if isinstance(claim.value, dict) else claim.value
        job_id = value if isinstance(value, str) else None
        takes.append(Take(job_id, _start(claim), _end(claim) if claim.answered else NEVER))
    quiet = 2.0 * (1 + max((operation.completed_at for operation in evidence.history), default=0))
    for number, job_id in enumerate(evidence.delivered or ()):
        takes.append(Take(job_id, quiet + 2 * number, quiet + 2 * number + 1))
    return takes


def _start(operation: Operation) -> float:
    return 2.0 * operation.invoked_at


def _end(operation: Operation) -> float:
    # An operation that ends at the moment at which the next one begins comes before it.
    return 2.0 * operation.completed_at - 1


def _comes_back(evidence: Evidence) -> bool:
    return any(
        operation.method in (*GIVE_BACK, "update_status", "backfill")
        or operation.arguments.get("lease_s") == 0.0
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
        return Judgement(len(takes), (Breach(f"{checked.why}.", "claim"),))
    return Judgement(len(takes) if checked.answer is Answer.HOLDS else 0)


def _why_not(traits: Traits) -> str:
    return "" if traits.fifo else "the subject says that it keeps no order"


QUEUE_ORDER = Invariant(
    id="queue-order",
    when="finally",
    claim="Jobs are given out first in, first out, and a worker is told that none waits only if none does.",
    severity=Severity.MEDIUM,
    check=_check,
    why_not=_why_not,
)
