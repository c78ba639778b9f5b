"""no-ghost: no job runs that was never enqueued, and none after it was cancelled.

Blind to: a job that runs with another job's payload; see job-is-as-enqueued.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.executions import needs_work
from midpipe.scenarios.model.evidence import Evidence, Invariant, Judgement, ViolationEvidence
from midpipe.scenarios.model.history import Execution, Phase
from midpipe.scenarios.model.outcome import Severity


def _check(evidence: Evidence) -> Judgement:
    offered = {call.job_id for call in evidence.history if call.method == "enqueue"}
    unknown = dict.fromkeys(run.job_id for run in evidence.executions if run.job_id not in offered)
    violations = [
        ViolationEvidence(f"{job_id} ran, but no call has enqueued it.", "work")
        for job_id in unknown
    ]
    violations += [
        ViolationEvidence(
            f"cancel answered True for {run.job_id}, but it ran afterwards.", "cancel"
        )
        for run in evidence.executions
        if _ran_after_its_cancel(evidence, run)
    ]
    return Judgement(len(evidence.executions), tuple(violations))


def _ran_after_its_cancel(evidence: Evidence, run: Execution) -> bool:
    """Whether every worker that can have run the job began after the job was cancelled."""
    return any(
        call.job_id == run.job_id
        and call.value is True
        and (
            run.phase is Phase.RECOVERY
            or all(work.invoked_at >= call.completed_at for work in evidence.operations("work"))
        )
        for call in evidence.operations("cancel")
    )


NO_GHOST = Invariant(
    id="no-ghost",
    when="finally",
    claim="No job runs that was never enqueued, and none after it was cancelled.",
    severity=Severity.HIGH,
    check=_check,
    why_not=needs_work,
)
