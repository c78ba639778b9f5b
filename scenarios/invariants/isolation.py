"""isolation: no workspace reads another workspace's job.

Blind to: a returned job without a workspace_id (no-divergence catches half-filled jobs), and subjects whose reads take
no workspace at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    Traits,
    ViolationEvidence,
    needs_one_of,
)
from midpipe.scenarios.model.history import Json, Operation
from midpipe.scenarios.model.outcome import Severity


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    for operation in evidence.history:
        if not operation.answered or not operation.workspace_id:
            continue
        if operation.method not in ("get_job", "list_jobs"):
            continue
        observed += 1
        for job in _jobs_in(operation):
            owner = job.get("workspace_id")
            if owner and owner != operation.workspace_id:
                violations.append(
                    ViolationEvidence(
                        f"{operation.method} as {operation.workspace_id} returned "
                        f"{job.get('job_id')} of {owner}.",
                        operation.method,
                    )
                )
    return Judgement(observed, tuple(violations))


def _jobs_in(operation: Operation) -> Iterator[dict[str, Json]]:
    value = operation.value
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        value = value["items"]
    for job in value if isinstance(value, list) else [value]:
        if isinstance(job, dict):
            yield job


def _why_not(traits: Traits) -> str:
    if not traits.has_workspaces:
        return "the subject refuses no workspace, and declares no tenancy"
    return needs_one_of("get_job", "list_jobs")(traits)


ISOLATION = Invariant(
    id="isolation",
    when="finally",
    claim="No workspace reads another workspace's job.",
    severity=Severity.CRITICAL,
    check=_check,
    why_not=_why_not,
)
