"""Runs one case from the reset to the judgement, and returns its record."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from midpipe.faultinject.clock.port import NotFollowedError
from midpipe.faultinject.decide.scheduler import Scheduler
from midpipe.faultinject.errors import MidpipeError, UsageError
from midpipe.scenarios.case.case import Case
from midpipe.scenarios.case.due import measure_when_due
from midpipe.scenarios.case.failing import see_after_failure
from midpipe.scenarios.case.judge import judge, moments_in
from midpipe.scenarios.case.left_behind import left_behind
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.recovery import FinishedCase, Recovered, recover
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.taken import begun_with_nothing_queued
from midpipe.scenarios.invariants.executions import has_failed
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Execution, Phase
from midpipe.scenarios.model.record import CaseRecord, Passed, Timing
from midpipe.scenarios.programs.calls import SECRETS
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.subjects.hosting import HostProcess
from midpipe.scenarios.subjects.journal import read_journal


def run_case(
    rig: Rig,
    program: Program,
    scheduler: Scheduler,
    *,
    time_outs_ms: Mapping[str, int],
    latency_bound_ms: float,
    lease_s: float | None = None,
) -> CaseRecord:
    """Run one case on the rig and return its record.

    Whatever goes wrong makes this case invalid, and the rig is renewed for the next one.

    Args:
        time_outs_ms, latency_bound_ms, lease_s: as in Case.

    Raises:
        ServerError: the server is gone, and is not midpipe's to start again.
        UsageError: the case can't be run on this server.
    """
    case = Case(
        rig,
        program,
        time_outs_ms=time_outs_ms,
        latency_bound_ms=latency_bound_ms,
        lease_s=lease_s,
    )
    try:
        return _run(rig, program, case, scheduler)
    except UsageError:
        raise
    except Exception as error:  # whatever failed, the next case must be able to run
        if isinstance(error, NotFollowedError):
            rig.not_followed(error)
        rig.renew(is_server_sound=not case.has_faults)
        return _unfinished_record(rig, program, case.recorder, reason_of(error), aborted=True)


def _run(rig: Rig, program: Program, case: Case, scheduler: Scheduler) -> CaseRecord:
    clock = rig.loop.clock
    measure_when_due(rig)
    if program.has_failing_job:
        see_after_failure(rig)
    began_s = clock()
    rig.reset()
    reset_s = clock()
    printed = rig.hosts.printed_sizes()
    case.prepare()
    if why := case.recorder.invalid_reason:
        return _unfinished_record(rig, program, case.recorder, why, aborted=True)
    connected_s = clock()
    case.run(scheduler)
    if why := case.recorder.invalid_reason:
        return _unfinished_record(rig, program, case.recorder, why, aborted=False)
    timing = Timing(
        reset_s=reset_s - began_s,
        connect_s=connected_s - reset_s,
        operate_s=clock() - connected_s,
        judge_s=0.0,
    )
    return judged_record(rig, program, case, printed, timing)


def reason_of(error: Exception) -> str:
    """Return why a case is invalid that ended with this exception, as a clause without a full stop."""
    if isinstance(error, MidpipeError):
        return str(error).removesuffix(".")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"midpipe itself failed with {type(error).__name__}: {error}{place}; please report it"


def _unfinished_record(
    rig: Rig, program: Program, recorder: Recorder, invalid_reason: str, *, aborted: bool
) -> CaseRecord:
    """Return the record of an invalid case: what it has recorded, and no judgement."""
    return CaseRecord(
        program=program.name,
        traits=rig.traits,
        entries=tuple(recorder.entries),
        states=tuple(recorder.states),
        history=tuple(recorder.history),
        delivered=None,
        read_back=(),
        logs=tuple(recorder.logs),
        invalid_reason=invalid_reason,
        violations=(),
        observations=(),
        crashes=(),
        timing=Timing(0.0, 0.0, 0.0, 0.0),
        was_aborted=aborted,
    )


def judged_record(
    rig: Rig,
    program: Program,
    case: FinishedCase,
    printed: Mapping[HostProcess, int],
    timing: Timing | None = None,
) -> CaseRecord:
    """Recover from a case whose clients are done, judge it, and return its record.

    Args:
        printed: how many bytes each process had printed before the case.
        timing: where the time went so far; None if it was not measured.
    """
    began_s = rig.loop.clock()
    recorder = case.recorder
    journal = rig.hosts.journal
    in_program = journal.stat().st_size if journal.exists() else 0
    passed_s = sum(entry.seconds for entry in recorder.entries if isinstance(entry, Passed))
    passed_s += timing.operate_s if timing else 0.0
    recovered = recover(rig, program, case)
    executions = read_journal(journal, in_program)
    recorder.logs += [
        host.printed()
        for host, size in rig.hosts.printed_sizes().items()
        if size > printed.get(host, 0)
    ]
    evidence = _evidence(rig, program, case, recovered, executions, passed_s=passed_s)
    judged = judge(evidence, rig.invariants)
    has_recovered = _has_recovered(recorder, evidence)
    timing = timing or Timing(0.0, 0.0, 0.0, 0.0)
    return CaseRecord(
        program=program.name,
        traits=rig.traits,
        entries=tuple(recorder.entries),
        states=tuple(recorder.states),
        history=evidence.history,
        delivered=recovered.delivered,
        drain_error=recovered.drain_error,
        read_back=tuple(recovered.read_back[0].items()),
        logs=evidence.logs,
        invalid_reason=recorder.invalid_reason,
        violations=judged.violations,
        observations=judged.observations,
        crashes=judged.crashes,
        timing=replace(timing, judge_s=rig.loop.clock() - began_s),
        executions=executions,
        connections=recorder.connections,
        has_child_processes=rig.hosts.has_child_processes(),
        recovered_after_s=recovered.after_s if rig.time.is_stepped and has_recovered else None,
    )


def _evidence(
    rig: Rig,
    program: Program,
    case: FinishedCase,
    recovered: Recovered,
    executions: tuple[Execution, ...],
    *,
    passed_s: float,
) -> Evidence:
    """Return what the invariants judge.

    Args:
        passed_s: how long the program took, on the case's clock.
    """
    recorder = case.recorder
    return Evidence(
        traits=rig.traits,
        history=tuple(recorder.history),
        moments=moments_in(recorder.entries, recorder.states),
        delivered=recovered.delivered,
        drain_error=recovered.drain_error,
        read_back=recovered.read_back[0],
        read_by_others=recovered.read_back[1:],
        logs=tuple(recorder.logs),
        secrets=SECRETS,
        latency_bound_ms=case.latency_bound_ms,
        malformed=program.malformed,
        leases_ended=case.leases_have_ended,
        passed_s=passed_s if rig.time.is_stepped else None,
        given_up=recovered.given_up,
        still_running=recovered.still_running,
        executions=executions,
        named=recovered.traces.named,
        kept_apart=recovered.traces.kept_apart,
        vanished=recovered.traces.vanished,
        expired=recovered.expired,
        nothing_queued=begun_with_nothing_queued(recorder.history, recorder.states),
    )


def _has_recovered(recorder: Recorder, evidence: Evidence) -> bool:
    """Whether a job that a dead worker had left behind came to another one."""
    executions = evidence.executions
    left = left_behind(
        {call.job_id for call in evidence.history if call.method == "enqueue"},
        recorder.entries,
        recorder.states,
        [run for run in executions if not has_failed(evidence, run.job_id)],
    )
    again = {run.job_id for run in executions if run.has_ended and run.phase is Phase.RECOVERY}
    return bool(left & {*again, *(evidence.delivered or ())})
