"""isolation: no workspace reads another workspace's job.

It is checked by reads before which another workspace has enqueued a job that they could return: one of the id that is
asked for, or any if the jobs are listed.

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
from midpipe.scenarios.model.history import Completion, Json, Operation
from midpipe.scenarios.model.outcome import Severity


def _check(evidence: Evidence) -> Judgement:
    violations: list[ViolationEvidence] = []
    observed = 0
    for operation in evidence.history:
        if not operation.answered or not operation.workspace_id:
            continue
        if operation.method not in ("get_job", "list_jobs"):
            continue
        foreign = [
            ViolationEvidence(
                f"{operation.method} as {operation.workspace_id} returned "
                f"{job.get('job_id')} of {owner}.",
                operation.method,
            )
            for job in _jobs_in(operation)
            if (owner := job.get("workspace_id")) and owner != operation.workspace_id
        ]
        violations += foreign
        if foreign or any(_could_be_shown(call, operation) for call in evidence.history):
            observed += 1
    return Judgement(observed, tuple(violations))


def _could_be_shown(enqueue: Operation, read: Operation) -> bool:
    """Whether it may have put in a job of another workspace that the read would show if it took no account of that."""
    return (
        enqueue.method == "enqueue"
        and enqueue.completion is not Completion.FAIL
        and enqueue.workspace_id not in ("", read.workspace_id)
        and enqueue.completed_at <= read.invoked_at
        and (read.method == "list_jobs" or enqueue.job_id == read.job_id)
    )


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
