"""queue-order: the history of enqueues and claims is linearizable as a first-in-first-out or priority queue.

It catches a claim that returns None while a job is pending, and a job that overtakes another. If midpipe can read the
subject's keys, they show the effect of a call without an answer: a job that was in the queue before its enqueue ended
was put, and a job that left the queue at a command of a claim was taken by that claim.

A job of a higher priority that was surely in the queue when a claim began comes before what that claim returned. Jobs
of the same priority come in any order, or first in, first out if the queue promises that.

Of a subject whose own worker runs the jobs, the journal shows the order: a job whose enqueue ended before another one's
began, or one of a higher priority that waited when the worker began, is started first, if one undisturbed worker runs
them.

Applies only to a queue that promises an order: ``fifo``, ``priority`` or ``priority-fifo``.

Blind to: cases in which jobs return to the queue (an expired lease, a failed attempt), update_status moves them on, or
jobs are delayed. The order of a job without a priority among jobs that have one.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from midpipe.scenarios.invariants.deduplication import has_put_in
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
    job_received,
)
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.promises import Deduplicates, Delivery, Order

_CLAIMS = ("claim", "dequeue")


def puts_of(evidence: Evidence) -> list[Put]:
    """Return a put for each job that was surely or possibly enqueued, over all attempts at it."""
    by_job: dict[str, Put] = {}
    ranks = ranks_of(evidence)
    for operation in evidence.history:
        if operation.method != "enqueue" or operation.completion is Completion.FAIL:
            continue
        known = by_job.get(operation.job_id)
        answered = has_put_in(operation) or (operation.answered and known is not None)
        if not operation.answered and was_queued(evidence, operation):
            answered = True
        if operation.answered and not answered:
            # The answer refers to a job of another id, which has a put of its own.
            continue
        end = _end(operation) if answered else NEVER
        start = _start(operation)
        if known is not None:
            start, end = min(known.start, start), min(known.end, end)
        by_job[operation.job_id] = Put(operation.job_id, start, end, ranks[operation.job_id])
    return list(by_job.values())


def ranks_of(evidence: Evidence) -> dict[str, float]:
    """Return the priority with which each job was first enqueued; 0 for all if the queue promises no order by it."""
    by_priority = evidence.traits.promises.order.is_by_priority
    return {
        enqueue.job_id: _priority_of(enqueue) or 0.0 if by_priority else 0.0
        for enqueue in reversed(evidence.history)
        if enqueue.method == "enqueue"
    }


def _priority_of(enqueue: Operation) -> float | None:
    priority = enqueue.arguments.get("priority")
    return priority if isinstance(priority, int | float) else None


def _has_unknown_priority(evidence: Evidence) -> bool:
    """Whether some jobs have a priority and others have the queue's default, which midpipe does not know."""
    given = {_priority_of(each) is None for each in evidence.history if each.method == "enqueue"}
    return evidence.traits.promises.order.is_by_priority and len(given) > 1


def takes_of(evidence: Evidence) -> list[Take]:
    """Return a take for each claim of the program, and for each job that the drain received afterwards."""
    takes = []
    for attempts in attempts_by_request(evidence.history, "claim") + attempts_by_request(
        evidence.history, "dequeue"
    ):
        received = {job_received(claim) for claim in attempts}
        unanswered: list[Operation] = []
        for claim in attempts:
            if claim.completion is Completion.FAIL:
                continue
            if claim.answered:
                job_id = job_received(claim)
                before = [other for other in unanswered if _may_have_taken(evidence, other, job_id)]
                takes.append(Take(job_id, _start((*before, claim)[0]), _end(claim)))
                if _may_have_taken_another(evidence, claim):
                    takes.append(Take(None, _start(claim), NEVER))
                continue
            unanswered.append(claim)
            taken = taken_by(evidence, claim)
            if not taken:
                # It may have taken nothing, and may still be in flight.
                takes.append(Take(None, _start(claim), NEVER))
            # A job that a later attempt returned is one take, counted there.
            takes += [Take(job, _start(claim), _end(claim)) for job in taken if job not in received]
    quiet = 2.0 * (1 + max((operation.completed_at for operation in evidence.history), default=0))
    for number, job_id in enumerate(evidence.delivered or ()):
        takes.append(Take(job_id, quiet + 2 * number, quiet + 2 * number + 1))
    return takes


def was_queued(evidence: Evidence, enqueue: Operation) -> bool:
    """Whether the job was in the server's queue when the call ended, or before."""
    return evidence.traits.white_box and any(
        enqueue.job_id in moment.tables.pending
        for moment in evidence.moments[: enqueue.state_after + 1]
    )


def taken_by(evidence: Evidence, claim: Operation) -> tuple[str, ...]:
    """Return the jobs that left the queue at a command of a claim before the claim ended."""
    if not evidence.traits.white_box:
        return ()
    before = max(
        (other.state_after for other in evidence.history if other.completed_at <= claim.invoked_at),
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
    """Whether a claim without an answer may have taken the job that a later attempt returned.

    A worker that moved the head of the queue to a list of its own before it was cut off finds the job there when it
    retries.
    """
    return job_id is not None and (
        not evidence.traits.white_box or job_id in taken_by(evidence, claim)
    )


def _may_have_taken_another(evidence: Evidence, claim: Operation) -> bool:
    """Whether an answered claim may have taken a second job, whose reply its driver never received.

    redis-py's ``transaction()`` runs its function again after a lost reply of EXEC; the first job stays leased.
    """
    return not evidence.traits.white_box and claim.faulted and claim.wrote


def _start(operation: Operation) -> float:
    return 2.0 * operation.invoked_at


def _end(operation: Operation) -> float:
    # An operation that ends at the moment when another begins comes before it.
    return 2.0 * operation.completed_at - 1


def _comes_back(evidence: Evidence) -> bool:
    """Whether a job may be in the queue again after it was taken, or come into it later than its enqueue ended."""
    if evidence.operations("dequeue") and evidence.traits.promises.delivery is not (
        Delivery.AT_MOST_ONCE
    ):
        # What a dequeue has taken is given out again, as nothing says that it was done.
        return True
    return any(
        operation.method in (*GIVE_BACK, "update_status", "backfill")
        or is_over_at_once(operation.arguments)
        or operation.arguments.get("delay_s")
        or evidence.leases_ended
        for operation in evidence.history
    )


def _may_be_put_again(evidence: Evidence) -> bool:
    """Whether a job may be in the queue twice, or once more after its end, as the queue does not recognise it."""
    enqueued = Counter(o.job_id for o in evidence.history if o.method == "enqueue")
    is_recognised = evidence.traits.promises.deduplicates is not Deduplicates.NONE
    return not is_recognised and any(count > 1 for count in enqueued.values())


def _check_executions(evidence: Evidence) -> Judgement:
    """Judge the order in which one undisturbed worker started the jobs."""
    calls = [call for call in evidence.history if call.phase in (Phase.PREPARE, Phase.PROGRAM)]
    workers = {call.client for call in calls if call.method == "work"}
    is_plain = all(call.method in ("enqueue", "work") for call in calls) and not any(
        call.faulted if call.method == "work" else call.arguments.get("delay_s") for call in calls
    )
    if not is_plain or len(workers) > 1 or _may_be_put_again(evidence):
        return Judgement(0)
    places: dict[str, int] = {}
    for run in evidence.executions:
        places.setdefault(run.job_id, len(places))
    if len(places) < len(evidence.executions):
        # A job that failed or was given out again has lost its place.
        return Judgement(0)
    is_fifo = evidence.traits.promises.order.is_fifo
    began = 2.0 * min((call.invoked_at for call in calls if call.method == "work"), default=0)

    def why_first(first: Put, second: Put) -> str:
        """Return why a job comes before another one, as the end of a clause; empty if it need not."""
        if is_fifo and first.rank == second.rank and first.end <= second.start:
            return "was enqueued first"
        is_higher = first.rank > second.rank and first.end <= began
        return "has a higher priority" if is_higher else ""

    puts = [put for put in puts_of(evidence) if put.value in places]
    violations = tuple(
        ViolationEvidence(
            f"{second.value} was run before {first.value}, which {why_first(first, second)}.",
            "work",
        )
        for first in puts
        for second in puts
        if places[first.value] > places[second.value] and why_first(first, second)
    )
    return Judgement(len(puts), violations)


def _check(evidence: Evidence) -> Judgement:
    traits = evidence.traits
    if _has_unknown_priority(evidence) or traits.delays_jobs:
        return Judgement(0)
    if evidence.runs_jobs and not traits.white_box and not traits.methods & set(_CLAIMS):
        return _check_executions(evidence)
    puts, takes = puts_of(evidence), takes_of(evidence)
    prepared = any(o.phase is Phase.PREPARE and o.method in _CLAIMS for o in evidence.history)
    known = {put.value for put in puts}
    if (
        _comes_back(evidence)
        or _may_be_put_again(evidence)
        or prepared
        or any(take.value is not None and take.value not in known for take in takes)
    ):
        return Judgement(0)
    checked = check_queue(puts, takes, is_fifo=traits.promises.order.is_fifo)
    if checked.answer is Answer.VIOLATED:
        return Judgement(len(takes), (ViolationEvidence(f"{checked.why}.", "claim"),))
    return Judgement(len(takes) if checked.answer is Answer.HOLDS else 0)


def _why_not(traits: Traits) -> str:
    if traits.promises.order is Order.NONE:
        return "the subject does not promise an order"
    if traits.promises.order.is_by_priority and not traits.takes("enqueue", "priority"):
        return "the subject promises an order by priority, and its enqueue takes no priority"
    if traits.white_box or traits.methods & {"work", *_CLAIMS}:
        return ""
    return "the subject has no work, claim or dequeue, and no queue that midpipe can read"


QUEUE_ORDER = Invariant(
    id="queue-order",
    when="finally",
    claim="Jobs are handed out in the promised order, and a claim returns None only if no job is pending.",
    severity=Severity.MEDIUM,
    check=_check,
    why_not=_why_not,
)
