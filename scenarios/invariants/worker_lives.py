"""worker-lives: after one fault the same worker runs the next job.

Judged where a worker is run again after a fault, while jobs wait: by then at least one of them must have run.

Blind to: a worker that runs the next job only after a delay of its own.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.executions import needs_work
from midpipe.scenarios.model.evidence import Evidence, Invariant, Judgement, ViolationEvidence
from midpipe.scenarios.model.history import Operation, Phase
from midpipe.scenarios.model.outcome import Severity


def _check(evidence: Evidence) -> Judgement:
    observed = 0
    violations = []
    ran = [run.job_id for run in evidence.executions if run.phase is Phase.PROGRAM]
    for run in evidence.operations("work"):
        if not _comes_after_a_fault(evidence, run):
            continue
        observed += 1
        if not ran and len(_waiting(evidence, run)) > 1:
            how = f"raised {run.error.type}" if run.error else "returned"
            violations.append(
                ViolationEvidence(
                    f"{run.client}'s worker was run again after a fault while jobs were waiting, and {how} "
                    "without running any.",
                    "work",
                )
            )
    return Judgement(observed, tuple(violations))


def _comes_after_a_fault(evidence: Evidence, run: Operation) -> bool:
    earlier = [
        other
        for other in evidence.operations("work")
        if other.client == run.client and other.completed_at <= run.invoked_at
    ]
    return not run.faulted and any(other.faulted and not other.caller_died for other in earlier)


def _waiting(evidence: Evidence, run: Operation) -> set[str]:
    """Return the jobs that were acknowledged before a run of the worker."""
    return {
        call.job_id
        for call in evidence.history
        if call.method == "enqueue"
        and call.answered
        and call.value is not False
        and (call.phase is Phase.PREPARE or call.completed_at <= run.invoked_at)
    }


WORKER_LIVES = Invariant(
    id="worker-lives",
    when="finally",
    claim="After one fault the same worker runs the next job.",
    severity=Severity.HIGH,
    check=_check,
    why_not=needs_work,
)
