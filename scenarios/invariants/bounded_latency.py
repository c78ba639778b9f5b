"""bounded-latency: every operation returns or raises within the bound, under every fault; no operation hangs.

The subject declares the bound, or the user gives it. A call whose process a fault has killed could not return any more,
and is not judged.

Blind to: latency under load, which ``midpipe bench`` measures and does not judge.
"""

from __future__ import annotations

from midpipe.scenarios.model.evidence import Evidence, Invariant, Judgement, ViolationEvidence
from midpipe.scenarios.model.history import Phase
from midpipe.scenarios.model.outcome import Severity


def _check(evidence: Evidence) -> Judgement:
    called = [
        operation
        for operation in evidence.history
        if operation.phase is Phase.PROGRAM and not operation.caller_died
    ]
    violations = tuple(
        ViolationEvidence(
            f"{operation.method} had not returned after {operation.duration_ms:.0f} ms; "
            f"the bound is {evidence.latency_bound_ms:.0f} ms.",
            operation.method,
        )
        for operation in called
        if operation.duration_ms > evidence.latency_bound_ms
    )
    return Judgement(len(called), violations)


BOUNDED_LATENCY = Invariant(
    id="bounded-latency",
    when="finally",
    claim="Every operation returns or raises within the bound, under every fault.",
    severity=Severity.HIGH,
    check=_check,
    on_malformed=True,
)
