"""How many runs and places of a job its enqueues account for, given what the queue recognises, and for how long. Pure.

A queue that knows a job until it is done may take it in again afterwards. Which calls may have ended it, ``endings``
says.

Blind to: a queue that forgets a job too early, if a call that may have ended it came between its two enqueues, or if
one of them had no answer and such a call came at any time.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from midpipe.scenarios.invariants.endings import may_have_ended
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Completion, Operation, Phase
from midpipe.scenarios.model.promises import Deduplicates

KNOWN_FOR_S = 3_600.0
"""For how long a queue knows a request or a job if it does not say so itself: shorter than any such time-out in use."""


def occurs_too_often(
    evidence: Evidence, job_id: str, count: int, *recognised_by: Deduplicates
) -> bool:
    """Whether a job ran, or is in the queue, more often than its enqueues account for.

    Args:
        recognised_by: the kinds of deduplication that count. With "job", all enqueues of a job in one workspace account
            for one run together; with "request", those of one request do, and so do those without a request id.
    """
    # At least 1, for a job that was there before.
    return count > max(1, len(_put_in(evidence, job_id, recognised_by)))


def is_still_known(evidence: Evidence, job_ids: Collection[str]) -> bool:
    """Whether the queue promises to know the first of these jobs when the last one is enqueued."""
    known_for = evidence.traits.promises.deduplicates_for
    if isinstance(known_for, str):
        # An enqueue without an answer may still be on its way, and be executed once the job is done.
        last = max(
            (
                math.inf if call.completion is Completion.INFO else call.completed_at
                for call in _enqueues_of(evidence, job_ids)
            ),
            default=0,
        )
        return not any(may_have_ended(evidence, job_id, before=last) for job_id in job_ids)
    return (evidence.passed_s or 0.0) < (KNOWN_FOR_S if known_for is None else known_for)


def makes_no_second_job(evidence: Evidence, job_id: str) -> bool:
    """Whether the queue promises that an enqueue of a job that it knows changes nothing."""
    is_one_job = len({call.workspace_id for call in _enqueues_of(evidence, (job_id,))}) <= 1
    promised = evidence.traits.promises.deduplicates
    return promised is Deduplicates.JOB and is_one_job and is_still_known(evidence, (job_id,))


def may_be_two_jobs(evidence: Evidence, job_id: str) -> bool:
    """Whether two jobs of that id may have come into one workspace, which the queue does not promise to prevent."""
    put_in = _put_in(evidence, job_id, (Deduplicates.JOB, Deduplicates.REQUEST))
    if job_id in seeded_jobs(evidence):
        return bool(put_in) and not makes_no_second_job(evidence, job_id)
    return len({workspace_id for workspace_id, _ in put_in}) < len(put_in)


def seeded_jobs(evidence: Evidence) -> set[str]:
    """Return the jobs that existed at the start without an enqueue call."""
    if not evidence.traits.white_box:
        return set()
    prepared = {call.job_id for call in evidence.history if call.phase is Phase.PREPARE}
    return set(evidence.moments[0].tables.job_ids) - prepared


def has_put_in(enqueue: Operation) -> bool:
    """Whether an answer surely says that this very job is in the queue.

    True does. None or an id does if the request has no key; with one, the job may be what its request made before.
    """
    is_none_or_id = enqueue.answered and (enqueue.value is None or bool(enqueue.value))
    return enqueue.value is True or (is_none_or_id and not enqueue.request_id)


def _put_in(
    evidence: Evidence, job_id: str, recognised_by: Collection[Deduplicates]
) -> set[tuple[str, str | int]]:
    """Return workspace and mark of each job that the enqueues of one id make, given what the queue recognises."""
    promised, has_workspaces = evidence.traits.promises.deduplicates, evidence.traits.has_workspaces
    is_recognised = promised in recognised_by and is_still_known(evidence, (job_id,))

    def mark_of(number: int, enqueue: Operation) -> str | int:
        if not is_recognised:
            return number
        return "" if promised is Deduplicates.JOB else enqueue.request_id

    return {
        (call.workspace_id if has_workspaces else "", mark_of(number, call))
        for number, call in enumerate(_enqueues_of(evidence, (job_id,)))
        if _may_have_put_it_in(call)
    }


def _enqueues_of(evidence: Evidence, job_ids: Collection[str]) -> tuple[Operation, ...]:
    return tuple(
        call for call in evidence.history if call.method == "enqueue" and call.job_id in job_ids
    )


def _may_have_put_it_in(enqueue: Operation) -> bool:
    return enqueue.completion is not Completion.FAIL and enqueue.value is not False
