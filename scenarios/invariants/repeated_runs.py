"""Which jobs ran more often than promised, although nothing that happened explains it. Pure.

Blind to: what a job's body does between the two lines that it writes.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.deduplication import occurs_too_often
from midpipe.scenarios.invariants.executions import worker_died, worker_was_disturbed
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.promises import Deduplicates, Delivery

_SEVERAL = 2
_SHORTEST_LEASE = 0.3
"""The shortest lease of a queue that declares none, as a share of the time within which it promises to recover."""


def unexplained_repeats(evidence: Evidence) -> tuple[tuple[str, int], ...]:
    """Return the jobs that ran to their end more often than promised, with the number of their runs.

    A crash explains a repeated run unless delivery is at most once; under at least once, any fault in the worker does,
    and so does one of several workers that took so long that its lease may have ended. A client that sends a job again
    explains it where the queue recognises neither jobs nor requests.
    """
    delivery = evidence.traits.promises.delivery
    is_explained = {
        Delivery.AT_MOST_ONCE: False,
        Delivery.EXACTLY_ONCE: worker_died(evidence),
        Delivery.AT_LEAST_ONCE: worker_was_disturbed(evidence) or _may_have_lost_lease(evidence),
    }[delivery]
    if is_explained:
        return ()
    runs: dict[str, int] = {}
    for run in evidence.executions:
        runs[run.job_id] = runs.get(run.job_id, 0) + run.has_ended
    return tuple(
        (job_id, count)
        for job_id, count in sorted(runs.items())
        if occurs_too_often(evidence, job_id, count, Deduplicates.JOB)
    )


def _may_have_lost_lease(evidence: Evidence) -> bool:
    """Whether one of several workers may have held a job for longer than a lease of the queue lasts."""
    if len({call.client for call in evidence.operations("work")}) < _SEVERAL:
        return False
    promises = evidence.traits.promises
    lease_s = promises.visibility_timeout_s
    if lease_s is None and promises.recovers_within_s is not None:
        lease_s = promises.recovers_within_s * _SHORTEST_LEASE
    if lease_s is None:
        return False
    longest_ms = max((call.duration_ms for call in evidence.operations("work")), default=0.0)
    held_s = longest_ms / 1000 if evidence.passed_s is None else evidence.passed_s
    return held_s >= lease_s
