"""worker-lives: after one fault, and after it was idle, the same worker runs the next job.

Judged where a worker is run again after a fault, while jobs wait: by then at least one of them must have run. No job
waits once every list of the server is empty of those that were enqueued, as after a worker that takes several at once.
Also where it was idle and undisturbed, and is run twice after a job was enqueued that a fresh worker then runs.

Blind to: a worker that runs the next job only after a delay of its own, unless it takes that long after being idle.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.executions import needs_work
from midpipe.scenarios.model.evidence import Evidence, Invariant, Judgement, ViolationEvidence
from midpipe.scenarios.model.history import Operation, Phase
from midpipe.scenarios.model.outcome import Severity

_RUNS_AGAIN = 2
"""How often an idle worker must be run again in vain, because what a run of a worker does is advisory."""


def _check(evidence: Evidence) -> Judgement:
    observed = 0
    violations = []
    ran = [run.job_id for run in evidence.executions if run.phase is Phase.PROGRAM]
    for run in evidence.operations("work"):
        if not _comes_after_a_fault(evidence, run) or run.invoked_at in evidence.nothing_queued:
            continue
        observed += 1
        if not ran and len(_waiting(evidence, run)) > 1:
            how = f"raised {run.raised}" if run.raised else "returned"
            violations.append(
                ViolationEvidence(
                    f"{run.client}'s worker was run again after a fault while jobs were waiting, and {how} "
                    "without running any.",
                    "work",
                )
            )
    idle, stopped = _idle_workers(evidence)
    violations += [
        ViolationEvidence(
            f"{client}'s worker was idle and was then run again while {job_id} was waiting, and ran nothing; a fresh "
            "worker ran it.",
            "work",
        )
        for client, job_id in stopped
    ]
    return Judgement(observed + idle, tuple(violations))


def _idle_workers(evidence: Evidence) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Return how many workers were idle and were run again, and those that then ran nothing, with a waiting job."""
    runs = evidence.operations("work")
    enqueued = [call for call in evidence.operations("enqueue") if call.value is not False]
    calls = [call for call in evidence.history if call.phase is Phase.PROGRAM]
    is_plain = len(calls) == len(runs) + len(enqueued) and not any(
        call.faulted or call.error or call.arguments.get("delay_s") for call in calls
    )
    if not is_plain or len({run.client for run in runs}) != 1:
        return 0, ()
    prepared = any(call.phase is Phase.PREPARE for call in evidence.history)
    if prepared or not enqueued or runs[0].completed_at > enqueued[0].invoked_at:
        return 0, ()
    again = [run for run in runs if run.invoked_at >= enqueued[-1].completed_at]
    if len(again) < _RUNS_AGAIN:
        return 0, ()
    job_ids = {call.job_id for call in enqueued}
    ran = {run.job_id: run.phase for run in evidence.executions if run.has_ended}
    if any(run.phase is Phase.PROGRAM for run in evidence.executions) or not job_ids & ran.keys():
        return 1, ()
    return 1, ((runs[0].client, enqueued[0].job_id),)


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
        and call.completed_at <= run.invoked_at
    }


WORKER_LIVES = Invariant(
    id="worker-lives",
    when="finally",
    claim="After one fault, or after it was idle, the same worker runs the next job.",
    severity=Severity.HIGH,
    check=_check,
    why_not=needs_work,
)
