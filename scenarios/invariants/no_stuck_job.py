"""no-stuck-job: an accepted job that has not run does not stay in Redis with no worker getting it.

A job that some key still names is stuck; one that no key names is lost (no-lost-job).

Blind to: a job that would run after a longer wait than the subject promises or midpipe waits.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.executions import missing_run, needs_work
from midpipe.scenarios.model.evidence import Evidence, Invariant, Judgement, ViolationEvidence
from midpipe.scenarios.model.history import Phase, attempts_by_request
from midpipe.scenarios.model.verdict import Severity


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    for attempts in attempts_by_request(evidence.history, "enqueue", Phase.PREPARE, Phase.PROGRAM):
        last = attempts[-1]
        if not last.answered or last.value is False:
            continue
        observed += 1
        missing = missing_run(evidence, last.job_id)
        if missing and last.job_id in evidence.named:
            violations.append(
                ViolationEvidence(f"{last.job_id} is still in Redis, and {missing}.", "work")
            )
    return Judgement(observed, tuple(violations))


NO_STUCK_JOB = Invariant(
    id="no-stuck-job",
    when="finally",
    claim="A job that has not run is one that a worker still gets.",
    severity=Severity.HIGH,
    check=_check,
    why_not=needs_work,
)
