"""holder-is-served: a worker whose lease lasts is not refused, and no other worker gets its job.

A worker holds a job from its claim's answer until it completes it, fails it or gives it back. While it holds a job
under a lease that outlasts the case, its heartbeat and its first complete must succeed. An enqueue of the same id
changes nothing of it if the queue promises to refuse an id that it knows.

Blind to: leases that end during the case, because then the queue may refuse the worker; claims whose answer was lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from midpipe.scenarios.invariants.deduplication import makes_no_second_job
from midpipe.scenarios.model.evidence import (
    GIVE_BACK,
    Evidence,
    Invariant,
    Judgement,
    ViolationEvidence,
    needs_one_of,
)
from midpipe.scenarios.model.history import Completion, Operation, is_over_at_once
from midpipe.scenarios.model.outcome import Severity

_USES = ("heartbeat", "complete")
_ENDINGS = ("complete", "fail", "give_back", "update_status", "cancel", "enqueue")
"""Calls of other clients after which a job may be in another state than the holder knows."""


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    for claim in evidence.operations("claim"):
        if not _lasts(evidence, claim):
            continue
        for use in _uses_of(evidence, claim):
            observed += 1
            if use.value is False and not _may_be_refused(evidence, claim, use):
                violations.append(
                    ViolationEvidence(
                        f"{use.client} holds {use.job_id} under a lease that lasts, and {use.method} refused it.",
                        use.method,
                    )
                )
    return Judgement(observed, tuple(violations))


def _lasts(evidence: Evidence, claim: Operation) -> bool:
    """Whether a claim returned a job under a lease that certainly outlasts the case."""
    is_held = isinstance(claim.value, dict) and not is_over_at_once(claim.arguments)
    return is_held and not evidence.has_lease_ended(claim)


def _uses_of(evidence: Evidence, claim: Operation) -> Iterator[Operation]:
    """Yield what the holder does with the job under this claim's lease."""
    assert isinstance(claim.value, dict)
    token = claim.value.get("lease_token")
    for operation in evidence.operations(*_USES):
        is_by_holder = operation.client == claim.client and operation.version == claim.version
        if (
            is_by_holder
            and operation.job_id == claim.value.get("job_id")
            and operation.arguments.get("lease_token") == token
            and operation.invoked_at >= claim.completed_at
        ):
            yield operation


def _may_be_refused(evidence: Evidence, claim: Operation, use: Operation) -> bool:
    """Whether the holder has let the job go itself, or another client may have ended or changed it."""
    return any(
        _had_effect(evidence, other)
        and other.job_id == use.job_id
        and claim.completed_at < other.completed_at
        and other.invoked_at < use.completed_at
        for other in evidence.operations(*_ENDINGS)
    ) or any(
        _lets_the_lease_end(evidence, beat, claim, use) for beat in evidence.operations("heartbeat")
    )


def _had_effect(evidence: Evidence, operation: Operation) -> bool:
    if operation.completion is Completion.FAIL:
        return False
    if operation.method == "enqueue" and operation.answered:
        return not makes_no_second_job(evidence, operation.job_id)
    refuses = (*GIVE_BACK, "complete", "cancel")
    return not (operation.value is False and operation.method in refuses)


def _lets_the_lease_end(
    evidence: Evidence, beat: Operation, claim: Operation, use: Operation
) -> bool:
    is_before = beat.client == claim.client and beat.invoked_at < use.invoked_at
    return is_before and (is_over_at_once(beat.arguments) or evidence.has_lease_ended(beat))


HOLDER_IS_SERVED = Invariant(
    id="holder-is-served",
    when="finally",
    claim="A worker whose lease lasts is not refused.",
    severity=Severity.HIGH,
    check=_check,
    why_not=needs_one_of("claim"),
)
