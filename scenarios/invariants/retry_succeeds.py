"""retry-succeeds: after a failed enqueue, the same request, retried without faults, ends in a job.

Blind to: how many retries it took within the caller's rule; and a request whose caller died, because it is not retried.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.no_lost_job import candidates, is_lost
from midpipe.scenarios.model.evidence import Evidence, Invariant, Judgement, ViolationEvidence
from midpipe.scenarios.model.history import attempts_by_request
from midpipe.scenarios.model.verdict import Severity


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    for attempts in attempts_by_request(evidence.history, "enqueue"):
        if len(attempts) < 2 or attempts[-1].caller_died:
            continue
        observed += 1
        last = attempts[-1]
        first_error = attempts[0].error
        failure = first_error.type if first_error else "an error"
        if not last.answered:
            again = last.error.type if last.error else "an error"
            violations.append(
                ViolationEvidence(
                    f"enqueue raised {failure}, and after {len(attempts) - 1} retries it still raised {again}.",
                    "enqueue",
                )
            )
            continue
        missing = is_lost(evidence, candidates(evidence, attempts))
        if missing:
            violations.append(
                ViolationEvidence(
                    f"enqueue raised {failure}; its retry answered {last.value}, but {missing}.",
                    "enqueue",
                )
            )
    return Judgement(observed, tuple(violations))


RETRY_SUCCEEDS = Invariant(
    id="retry-succeeds",
    when="finally",
    claim="After a failed enqueue, the same request, retried without faults, ends in a job.",
    severity=Severity.CRITICAL,
    check=_check,
)
