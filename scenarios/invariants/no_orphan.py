"""no-orphan: every queued id has its data, and every pending job has its place in the queue.

Judged after every command that the server executed, because another client can read that state. White box.

A job that a dequeue takes leaves the queue, and may stay pending: then only ids without data are judged.

Blind to: a gap inside one atomic step, which no other client can see either.
"""

from __future__ import annotations

from functools import partial

from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    needs_white_box,
    violations_at,
)
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.state import Tables


def orphans_of(tables: Tables, *, has_dequeued: bool) -> tuple[str, ...]:
    """Return a clause for each queued id without data and each pending job without a place.

    Args:
        has_dequeued: a dequeue may have taken a job, which needs no place then.
    """
    queued = set(tables.pending)
    without_data = [
        f"{job_id} is queued and has no data"
        for job_id in sorted(queued)
        if not tables.has_data(job_id)
    ]
    without_place = [
        f"{job_id} is pending and not in the queue"
        for job_id in tables.job_ids
        if job_id not in queued and set(tables.statuses(job_id)) == {"pending"}
    ]
    return tuple(without_data) if has_dequeued else (*without_data, *without_place)


def _check(evidence: Evidence) -> Judgement:
    observed = sum(
        len(moment.tables.job_ids) + len(moment.tables.pending) for moment in evidence.moments
    )
    orphans = partial(orphans_of, has_dequeued=bool(evidence.operations("dequeue")))
    return Judgement(observed, violations_at(evidence, orphans))


NO_ORPHAN = Invariant(
    id="no-orphan",
    when="always",
    claim="Every queued id has its data, and every pending job has its place in the queue.",
    severity=Severity.HIGH,
    check=_check,
    why_not=needs_white_box,
)
