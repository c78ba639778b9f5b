"""Finds out whether a subject tries a failed job again: one fails, without faults, and a worker must get it again.

It is done before the first case with a failing job and not with the other probes, because it takes as long as a
back-off that the subject promises. Knows no fault and no invariant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from midpipe.scenarios.case.expiry import times_due
from midpipe.scenarios.case.recovery import drain, work_off
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.promises import AfterFailure, Source
from midpipe.scenarios.programs.calls import WORKSPACE, enqueue
from midpipe.scenarios.programs.program import ITSELF
from midpipe.scenarios.programs.workers import enqueue_with
from midpipe.scenarios.subjects.journal import read_journal

_JOB = "midpipe-failing"


def see_after_failure(rig: Rig) -> None:
    """Add to the rig's traits what becomes of a failed job, unless that is declared or known, or no job can fail.

    The server is emptied, as for a case.

    Raises:
        SubjectError: an instance of the subject can't be made.
    """
    traits = rig.traits
    if traits.promises.source_of("after_failure") is not Source.DEFAULT or not _may_fail(traits):
        return
    rig.reset()
    is_rerun = _is_run_again(rig) if "work" in traits.methods else _is_handed_out_again(rig)
    seen = AfterFailure.RERUNS if is_rerun else AfterFailure.LOST
    rig.traits = replace(traits, promises=traits.promises.with_seen({"after_failure": seen}))


def _may_fail(traits: Traits) -> bool:
    if "work" in traits.methods:
        return traits.takes("enqueue", "params") or traits.takes("enqueue", "payload")
    return {"claim", "fail"} <= traits.methods


def _is_run_again(rig: Rig) -> bool:
    """Whether the subject's worker runs a job again whose body has raised."""
    rig.recovery.call("enqueue", enqueue_with("fail-once", _JOB).given())
    work_off(rig, ((_JOB, WORKSPACE),), ITSELF, times_due(rig.time, rig.traits, rig.snapshot()))
    return any(run.job_id == _JOB and run.has_ended for run in read_journal(rig.hosts.journal))


def _is_handed_out_again(rig: Rig) -> bool:
    """Whether a claim gets a job again that its worker has failed."""
    call = rig.recovery.call
    call("enqueue", enqueue(_JOB).given())
    job = call("claim", {"worker_id": "probe", "lease_s": 30.0}).value
    if not isinstance(job, Mapping):
        return False
    named = {name: job.get(name) for name in ("job_id", "lease_token")}
    if call("fail", {**named, "back_off_s": 0}).error is not None:
        return False
    due = times_due(rig.time, rig.traits, rig.snapshot())
    return _JOB in (drain(rig, ITSELF, due, {_JOB}).job_ids or ())
