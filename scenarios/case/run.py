"""Runs one case from the reset to the judgement, and returns its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from midpipe.faultinject.decide.scheduler import Scheduler
from midpipe.scenarios.case.case import Case
from midpipe.scenarios.case.judge import judge, moments_in
from midpipe.scenarios.case.recovery import FinishedCase, recover
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.record import CaseRecord, Timing
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.single import SECRETS
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

    Args:
        time_outs_ms, latency_bound_ms, lease_s: as in Case.

    Raises:
        ServerError: the server is gone.
        SubjectError: an instance of the subject can't be made.
    """
    clock = rig.loop.clock
    began_s = clock()
    rig.reset()
    reset_s = clock()
    case = Case(
        rig,
        program,
        time_outs_ms=time_outs_ms,
        latency_bound_ms=latency_bound_ms,
        lease_s=lease_s,
    )
    printed = rig.hosts.printed_sizes()
    case.prepare()
    connected_s = clock()
    case.run(scheduler)
    timing = Timing(
        reset_s=reset_s - began_s,
        connect_s=connected_s - reset_s,
        operate_s=clock() - connected_s,
        judge_s=0.0,
    )
    return judged_record(rig, program, case, printed, timing)


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
    recovered = recover(rig, program, case)
    executions = read_journal(journal, in_program)
    recorder.logs += [
        host.printed()
        for host, size in rig.hosts.printed_sizes().items()
        if size > printed.get(host, 0)
    ]
    evidence = Evidence(
        traits=rig.traits,
        history=tuple(recorder.history),
        moments=moments_in(recorder.entries, recorder.states),
        delivered=recovered.delivered,
        read_back=recovered.read_back[0],
        read_by_others=recovered.read_back[1:],
        logs=tuple(recorder.logs),
        secrets=SECRETS,
        latency_bound_ms=case.latency_bound_ms,
        malformed=program.malformed,
        leases_ended=case.leases_are_short,
        given_up=recovered.given_up,
        executions=executions,
        named=recovered.named,
    )
    judged = judge(evidence, rig.invariants)
    timing = timing or Timing(0.0, 0.0, 0.0, 0.0)
    return CaseRecord(
        program=program.name,
        traits=rig.traits,
        entries=tuple(recorder.entries),
        states=tuple(recorder.states),
        history=evidence.history,
        delivered=recovered.delivered,
        read_back=tuple(recovered.read_back[0].items()),
        logs=evidence.logs,
        invalid_reason=recorder.invalid_reason,
        violations=judged.violations,
        observations=judged.observations,
        crashes=judged.crashes,
        timing=replace(timing, judge_s=rig.loop.clock() - began_s),
        executions=executions,
    )
