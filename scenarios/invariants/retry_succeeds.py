"""retry-succeeds: after a failed enqueue, the same request, retried without faults, ends in a job.

A fault lasts until the operation that met it has completed, and some faults disturb the whole server. A request whose
retries overlap with such an operation of another client is not accused of failing: those retries were not free of
faults.

Blind to: how many retries it took within the caller's rule; a request whose caller died, because it is not retried; and
one that fails only while another client's faulted operation is under way.
"""

from __future__ import annotations

from midpipe.scenarios.invariants.no_lost_job import candidates, is_lost
from midpipe.scenarios.model.evidence import Evidence, Invariant, Judgement, ViolationEvidence
from midpipe.scenarios.model.history import Operation, attempts_by_request
from midpipe.scenarios.model.outcome import Severity


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    for attempts in attempts_by_request(evidence.history, "enqueue"):
        if len(attempts) < 2 or attempts[-1].caller_died:
            continue
        last = attempts[-1]
        if not last.answered and _met_other_fault(evidence, attempts[1:]):
            continue
        observed += 1
        failure = attempts[0].raised
        if not last.answered:
            violations.append(
                ViolationEvidence(
                    f"enqueue raised {failure}, and after {len(attempts) - 1} retries it still raised {last.raised}.",
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


def _met_other_fault(evidence: Evidence, retries: tuple[Operation, ...]) -> bool:
    """Whether any of the retries overlapped with a faulted operation of another client."""
    return any(
        other.faulted
        and other.client != retry.client
        and other.invoked_at < retry.completed_at
        and retry.invoked_at < other.completed_at
        for retry in retries
        for other in evidence.history
    )


RETRY_SUCCEEDS = Invariant(
    id="retry-succeeds",
    when="finally",
    claim="After a failed enqueue, the same request, retried without faults, ends in a job.",
    severity=Severity.CRITICAL,
    check=_check,
)
