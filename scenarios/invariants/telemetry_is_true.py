"""telemetry-is-true: what a subject counts during a call equals the outcome of that call.

The host reads the counters before and after each call, so each increase belongs to one operation. An acknowledged dual
write counts once as succeeded. One that raised counts once as failed, whatever the server executed, because that is
what the caller knows. A refused argument and a duplicate count as neither. A read counts the schema that held the job.

Calls whose process died are not judged, because their counts are lost; nor are the dual writes of a mixed fleet,
because its versions may write different schemas.

Blind to: counters with other names, gauges and histograms, and what is counted between calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from midpipe.scenarios.model.counters import DUAL_WRITES, JOBS, LABELS, LISTS, READS
from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    Traits,
    ViolationEvidence,
)
from midpipe.scenarios.model.history import Operation, Phase
from midpipe.scenarios.model.outcome import Severity

_REFUSALS = ("ValueError", "TypeError", "LookupError")
_WRITES = ("enqueue", "update_status", "claim", "complete", "fail")
_STATUS_AFTER = {"enqueue": "pending", "claim": "running", "complete": "completed"}

Due = tuple[int, int]
_NEVER, _ONCE, _PERHAPS = (0, 0), (1, 1), (0, 1)


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    for operation in evidence.history:
        if operation.counted is None or operation.phase is not Phase.PROGRAM:
            continue
        for metric in sorted(evidence.traits.counters & set(LABELS)):
            if metric == DUAL_WRITES and (operation.version or not evidence.traits.new_schema):
                continue
            observed += 1
            due = dict(_due(evidence, operation, metric))
            counted = _counted(operation, metric)
            for label in sorted({*due, *counted}):
                least, most = due.get(label, _NEVER)
                if not least <= counted[label] <= most:
                    violations.append(
                        _violation(operation, metric, label, counted[label], (least, most))
                    )
    return Judgement(observed, tuple(violations))


def _counted(operation: Operation, metric: str) -> Counter[str]:
    """Return by how much a metric increased during an operation, by the value of its label in LABELS."""
    found: Counter[str] = Counter()
    for count in operation.counted or ():
        if count.metric == metric:
            found[dict(count.labels).get(LABELS[metric], "")] += round(count.by)
    return found


def _due(evidence: Evidence, operation: Operation, metric: str) -> Iterator[tuple[str, Due]]:
    """Yield what an operation must count: the label's value, and the least and the most that it may increase by."""
    is_write = operation.method in _WRITES
    if metric == DUAL_WRITES and is_write:
        yield (
            ("succeeded", _written(evidence, operation))
            if operation.answered
            else ("failed", _failed(operation))
        )
    elif metric == JOBS and is_write and operation.answered:
        status = _STATUS_AFTER.get(operation.method) or operation.arguments.get("status")
        if isinstance(status, str):
            yield status, _written(evidence, operation)
        if operation.method in ("claim", "fail"):
            # The job may have used up its last attempt here.
            yield "failed", (0, 100)
    elif metric == READS and operation.method == "get_job" and operation.answered:
        yield from ((path, _ONCE) for path in _paths(evidence, operation))
    elif metric == LISTS and operation.method == "list_jobs" and operation.answered:
        yield "", _ONCE


def _written(evidence: Evidence, operation: Operation) -> Due:
    """Return how often an answered call has changed its job's status, at least and at most."""
    if operation.method == "update_status":
        if operation.faulted and _is_shared(evidence, operation):
            # The driver may have sent it twice, with the second reply saying that another update had overtaken it.
            return _PERHAPS
        # A command of a faulted call may have arrived late, so that the driver's retry found its work done.
        return _ONCE if operation.wrote_job else _PERHAPS if operation.faulted else _NEVER
    if not operation.value:
        # The driver may have sent it twice and received only the second reply.
        return _PERHAPS if operation.wrote_job else _NEVER
    if operation.method == "enqueue":
        return _ONCE
    return _ONCE if operation.wrote_job else _PERHAPS


def _is_shared(evidence: Evidence, operation: Operation) -> bool:
    """Whether another client of the program writes the same job."""
    return any(
        other.client != operation.client and other.job_id == operation.job_id
        for other in evidence.operations(*_WRITES)
    )


def _failed(operation: Operation) -> Due:
    if operation.raised_a(*_REFUSALS):
        return _NEVER
    return _ONCE if operation.method in ("enqueue", "update_status") else _PERHAPS


def _paths(evidence: Evidence, read: Operation) -> tuple[str, ...]:
    """Return the path that a read must count; where both schemas hold the job, the one that it counted."""
    if not isinstance(read.value, Mapping):
        return ("miss",)
    tables = evidence.moments[read.state_after].tables
    held = [
        path
        for path, is_there in (
            ("new", (str(read.value.get("workspace_id")), read.job_id) in tables.new),
            ("old", read.job_id in tables.old),
        )
        if is_there or not evidence.traits.white_box
    ]
    claimed = [path for path in held if _counted(read, READS)[path]]
    return tuple((claimed or held)[:1])


def _violation(
    operation: Operation, metric: str, label: str, counted: int, due: Due
) -> ViolationEvidence:
    name = f"{metric}{{{LABELS[metric]}={label!r}}}" if label else metric
    raised = operation.raised
    outcome = f"raised {raised}" if raised else f"answered {_shown(operation)}"
    expected = f"{due[0]}" if due[0] == due[1] else f"{due[0]} to {due[1]}"
    return ViolationEvidence(
        f"{operation.method} {outcome}, but {name} increased by {counted} instead of {expected}.",
        operation.method,
    )


def _shown(operation: Operation) -> str:
    return repr(operation.value) if isinstance(operation.value, bool | None) else "a job or jobs"


def _why_not(traits: Traits) -> str:
    return (
        "" if traits.counters & set(LABELS) else "the subject exports no counter that midpipe knows"
    )


TELEMETRY_IS_TRUE = Invariant(
    id="telemetry-is-true",
    when="finally",
    claim="The subject's counters agree with the history.",
    severity=Severity.MEDIUM,
    check=_check,
    why_not=_why_not,
)
