"""What the journal's executions show of a job: whether it is well, and what happened to its worker. Pure.

Blind to: what a job's body does between the two lines that it writes.
"""

from __future__ import annotations

from collections.abc import Mapping

from midpipe.scenarios.model.evidence import Evidence, Traits
from midpipe.scenarios.model.promises import AfterCrash, AfterFailure, Delivery


def needs_work(traits: Traits) -> str:
    """Return why an invariant on executions does not apply, or an empty string."""
    return "" if "work" in traits.methods else "the subject has no worker of its own (work)"


def missing_run(evidence: Evidence, job_id: str) -> str:
    """Return what is missing of a job that was accepted, or an empty string if it has run or need not run."""
    if evidence.has_run(job_id) or _was_cancelled(evidence, job_id):
        return ""
    runs = sum(run.job_id == job_id for run in evidence.executions)
    started, promises = runs > 0, evidence.traits.promises
    if has_failed(evidence, job_id) and may_end_failed(evidence, job_id, runs):
        return ""
    if worker_was_disturbed(evidence):
        if promises.delivery is Delivery.AT_MOST_ONCE:
            return ""
        if started and promises.after_crash is not AfterCrash.RERUNS and worker_died(evidence):
            return ""
        if promises.after_crash is AfterCrash.FAILS and job_id in evidence.given_up:
            return ""
    if has_failed(evidence, job_id):
        return "it has failed once, and no worker runs it again"
    return "it starts and never ends" if started else "no worker ever runs it"


def has_failed(evidence: Evidence, job_id: str) -> bool:
    """Whether the job's body has run and raised, as it was asked to."""
    started = any(run.job_id == job_id for run in evidence.executions)
    return started and "fail" in _bodies(evidence, job_id)


def is_left(evidence: Evidence, job_id: str) -> bool:
    """Whether some key still names the job; of one that has failed, more than a count of its failures must be left."""
    is_only_counted = job_id in evidence.vanished and has_failed(evidence, job_id)
    return job_id in evidence.named and not is_only_counted


def may_end_failed(evidence: Evidence, job_id: str, runs: int) -> bool:
    """Whether a job that has failed is well although it has not been done.

    It is if no further run of it is promised, if it has had one, or if the queue keeps it as failed.

    Args:
        runs: how often a worker may have got it.
    """
    promised = evidence.traits.promises.after_failure
    if promised is AfterFailure.LOST or runs > 1:
        return True
    if promised is AfterFailure.FAILS and job_id in evidence.named:
        return True
    return job_id in evidence.given_up or job_id in evidence.kept_apart


def _was_cancelled(evidence: Evidence, job_id: str) -> bool:
    return any(
        call.job_id == job_id and (call.value is True or not call.answered)
        for call in evidence.operations("cancel")
    )


def worker_was_disturbed(evidence: Evidence) -> bool:
    """Whether a fault was injected into a run of the worker or of the periodic work, or a job's body killed it."""
    is_faulted = any(call.faulted for call in evidence.operations("work", "tick"))
    return is_faulted or _has_killed_its_worker(evidence)


def worker_died(evidence: Evidence) -> bool:
    """Whether the process of a worker was killed, by a fault or by the body of a job."""
    is_killed = any(call.caller_died for call in evidence.operations("work"))
    return is_killed or _has_killed_its_worker(evidence)


def _has_killed_its_worker(evidence: Evidence) -> bool:
    started = {run.job_id for run in evidence.executions}
    return any("die" in _bodies(evidence, job_id) for job_id in started)


def _bodies(evidence: Evidence, job_id: str) -> set[str]:
    """Return what the job's body is to do, by the params of its enqueues: ``fail`` also for ``fail-once``."""
    asked = (call.arguments.get("params") for call in evidence.history if call.job_id == job_id)
    return {
        str(params.get("body", "")).partition("-")[0]
        for params in asked
        if isinstance(params, Mapping)
    }
