"""Finds out what a subject has, does and promises, before any case: one job is enqueued and, if possible, finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from midpipe.faultinject.errors import SubjectError
from midpipe.scenarios.case.recovery_client import RecoveryClient
from midpipe.scenarios.model.evidence import Traits, status_of
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.promises import (
    Deduplicates,
    Delivery,
    Promises,
    Retention,
    Schemas,
    Source,
    Tenancy,
    declared,
)
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.state import State, names_job, tables_of
from midpipe.scenarios.programs.calls import WORKSPACE, enqueue, get, removal_of_old_copy

_JOB = "midpipe-probe"
_JOB_IN_NEW = "midpipe-probe-new"
_JOB_ASKED, _JOB_REPEATED = "midpipe-probe-asked", "midpipe-probe-repeated"
_OTHER_ADDRESS = "no command arrived at the address that midpipe gave; does it use another one?"
_MIGRATION_STEPS = {"backfill", "backfill_step", "cleanup"}


def probe(
    subject: SubjectSpec,
    recovery: RecoveryClient,
    state: Callable[[], State],
    seed: Callable[[tuple[tuple[str, ...], ...]], None],
) -> Traits:
    """Return what is known of a subject on an empty server.

    Args:
        state: returns what the server holds.
        seed: runs commands on the server.

    Raises:
        SubjectError: it can't be hosted, can't enqueue a job, or does not use the server that it was given.
        UsageError: it declares a promise that midpipe does not know.
    """
    _enqueue_first(subject, recovery)
    opened, written = recovery.opened, tables_of(state())
    has_new_schema = any(job_id == _JOB for _, job_id in written.new)
    white_box = _JOB in written.pending and written.has_data(_JOB)
    read = (
        recovery.call("get_job", get(_JOB).given()).value if "get_job" in opened.methods else None
    )
    life = _life(recovery, read)
    promises = declared(opened.promises, dict(subject.promises)).with_seen(
        {
            "schemas": Schemas.DUAL if has_new_schema else Schemas.ONE,
            "tenancy": Tenancy.WORKSPACE if _checks_workspaces(recovery) else Tenancy.NONE,
            **_delivery(opened.methods),
            **life.retention,
            **_deduplication(recovery, state),
        }
    )
    reads_new = (
        has_new_schema
        and _is_migrated(promises, opened.methods)
        and _reads_new_schema(recovery, seed)
    )
    return Traits(
        methods=opened.methods,
        white_box=white_box,
        counters=opened.counters,
        new_schema=has_new_schema,
        reads_new=reads_new,
        job_fields=frozenset(read) if isinstance(read, Mapping) else frozenset(),
        accepts=opened.accepts,
        shows_running=life.shows_running,
        promises=promises,
        background=(*subject.background, *opened.background),
    )


def _enqueue_first(subject: SubjectSpec, recovery: RecoveryClient) -> None:
    """Enqueue the first job. Raises SubjectError if that fails, or if no command for it has reached the server."""
    recovery.instance()
    if "enqueue" not in recovery.opened.methods:
        raise SubjectError(
            f"{subject.name} has no call enqueue, so no job can be put in. If yours has another name, "
            "'midpipe init FILE.PY:CLASS' writes an adapter."
        )
    before = recovery.bytes_sent()
    error = recovery.call("enqueue", enqueue(_JOB).given()).error
    uses_server = recovery.sends_more_than(before)
    if error is not None and not uses_server and error.type != "TypeError":
        raise SubjectError(
            f"{subject.name} can't enqueue a job: {error.type}: {error.message}; and {_OTHER_ADDRESS}"
        )
    if error is not None:
        raise SubjectError(
            f"{subject.name} can't enqueue a job without any fault: {error.type}: {error.message}. "
            "midpipe passes it those of the arguments in docs/calls.md that it takes; if it needs others, "
            "'midpipe init FILE.PY:CLASS' writes an adapter."
        )
    if not uses_server:
        raise SubjectError(f"{subject.name} has enqueued a job, but {_OTHER_ADDRESS}")


def _is_migrated(promises: Promises, methods: frozenset[str]) -> bool:
    """Whether the subject removes jobs from the old schema at some time: it has a step for that, or declares both."""
    declares_both = (
        promises.source_of("schemas") is Source.DECLARED and promises.schemas is Schemas.DUAL
    )
    return declares_both or bool(methods & _MIGRATION_STEPS)


def _reads_new_schema(
    recovery: RecoveryClient, seed: Callable[[tuple[tuple[str, ...], ...]], None]
) -> bool:
    """Whether get_job finds a job that only the new schema holds; if not, no program may begin with one."""
    if "get_job" not in recovery.opened.methods:
        return False
    recovery.call("enqueue", enqueue(_JOB_IN_NEW).given())
    seed(removal_of_old_copy(_JOB_IN_NEW))
    return bool(recovery.call("get_job", get(_JOB_IN_NEW).given()).value)


def _checks_workspaces(recovery: RecoveryClient) -> bool:
    """Whether enqueue takes a workspace and refuses one that no tenant could have."""
    accepted = recovery.opened.accepts.get("enqueue")
    if accepted is not None and "workspace_id" not in accepted:
        return False
    call = enqueue("midpipe-probe-2", workspace_id="No Such:Workspace").given()
    return recovery.call("enqueue", call).error is not None


def _deduplication(recovery: RecoveryClient, state: Callable[[], State]) -> dict[str, object]:
    """Return whether two jobs with one request id are one job; empty if an enqueue takes no request id.

    An enqueue that takes any keyword may ignore it. So two jobs are enqueued: the second one is the first one if the
    queue says so (False), or if there is no second job.
    """
    accepted = recovery.opened.accepts.get("enqueue")
    if accepted is not None and "client_request_id" not in accepted:
        return {}
    asked, repeated = (
        recovery.call("enqueue", enqueue(job_id, "midpipe-request").given())
        for job_id in (_JOB_ASKED, _JOB_REPEATED)
    )
    if asked.error is not None or asked.value is False:
        return {}
    if "get_job" in recovery.opened.methods:
        exists = bool(recovery.call("get_job", get(_JOB_REPEATED).given()).value)
    else:
        # Of a queue that stores jobs in a form that can't be read, the answer is all that is known.
        written = state()
        exists = repeated.error is None and (
            names_job(written, _JOB_REPEATED) or not names_job(written, _JOB_ASKED)
        )
    is_new = exists and repeated.value is not False
    return {"deduplicates": Deduplicates.NONE if is_new else Deduplicates.REQUEST}


def _delivery(methods: frozenset[str]) -> dict[str, object]:
    """Return what a queue promises that hands a job out without a lease: no call can give the job back."""
    if "dequeue" in methods and not methods & {"claim", "work"}:
        return {"delivery": Delivery.AT_MOST_ONCE}
    return {}


@dataclass(frozen=True, slots=True)
class _Life:
    """What get_job says of a job that a worker takes and finishes.

    Args:
        retention: the promise that it shows; empty if that can't be tried.
        shows_running: the status changes when the job is claimed; true if that can't be tried.
    """

    retention: Mapping[str, object] = field(default_factory=dict)
    shows_running: bool = True


def _life(recovery: RecoveryClient, before: Json) -> _Life:
    """Claim and finish a job; return what get_job says meanwhile and afterwards."""
    if not before or not {"claim", "complete", "get_job"} <= recovery.opened.methods:
        return _Life()
    job = recovery.call("claim", {"worker_id": "probe", "lease_s": 30.0}).value
    if not isinstance(job, Mapping):
        return _Life()
    running = recovery.call("get_job", get(_JOB).given()).value
    shows_running = status_of(running) != status_of(before)
    finished = {
        "job_id": job.get("job_id"),
        "workspace_id": WORKSPACE,
        "lease_token": job.get("lease_token"),
        "result": None,
    }
    if recovery.call("complete", finished).value is False:
        return _Life(shows_running=shows_running)
    is_kept = bool(recovery.call("get_job", get(_JOB).given()).value)
    retention = Retention.KEEPS if is_kept else Retention.DELETES
    return _Life({"retention": retention}, shows_running)
