"""Finds out what a subject has and does before any case: enqueues one job and checks which keys it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from midpipe.faultinject.errors import SubjectError
from midpipe.scenarios.case.recovery_client import RecoveryClient
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.state import Tables
from midpipe.scenarios.programs.single import enqueue, get, removal_of_old_copy

_JOB = "midpipe-probe"


def probe(
    subject: str,
    recovery: RecoveryClient,
    tables: Callable[[], Tables],
    seed: Callable[[tuple[tuple[str, ...], ...]], None],
) -> Traits:
    """Return what is known of a subject on an empty server.

    Args:
        subject: its name, for the message.
        tables: returns what the server holds.
        seed: runs commands on the server.

    Raises:
        SubjectError: it can't be hosted, or can't enqueue a job.
    """
    answered = recovery.call("enqueue", enqueue(_JOB).given())
    if answered.error is not None:
        raise SubjectError(
            f"{subject} can't enqueue a job without any fault: {answered.error.type}: "
            f"{answered.error.message}. Its calls must have the signature that the README shows."
        )
    opened, written = recovery.opened, tables()
    has_new_schema = any(job_id == _JOB for _, job_id in written.new)
    job_fields: frozenset[str] = frozenset()
    if "get_job" in opened.methods:
        read = recovery.call("get_job", get(_JOB).given()).value
        job_fields = frozenset(read) if isinstance(read, Mapping) else job_fields
    reads_new = False
    if has_new_schema and "get_job" in opened.methods:
        # A subject that does not read the new schema yet must not have the old one taken away.
        seed(removal_of_old_copy(_JOB))
        reads_new = bool(recovery.call("get_job", get(_JOB).given()).value)
    return Traits(
        methods=opened.methods,
        white_box=_JOB in written.pending and written.has_data(_JOB),
        fifo=opened.fifo,
        waits_for_replicas=opened.waits_for_replicas,
        counters=opened.counters,
        new_schema=has_new_schema,
        reads_new=reads_new,
        job_fields=job_fields,
    )
