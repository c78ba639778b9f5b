"""job-is-as-enqueued: what a read, a list or a claim says of a job is what was put in.

Each field that an answer has must equal, in value and in type, the argument of the enqueue that made the job, and a
status must be one of the contract's. A field that get_job returned in the run without faults must not be missing later.

Blind to: jobs that no enqueue of the program made; fields that a subject never returns; what the subject's own worker
gives to a job's body.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    ViolationEvidence,
    needs_one_of,
)
from midpipe.scenarios.model.history import Completion, Json, Phase
from midpipe.scenarios.model.outcome import Severity

FIELDS = ("job_id", "workspace_id", "actor_id", "action_provider", "action_name", "params")
STATUSES = ("pending", "running", "completed", "failed")
_CANCELLED = ("cancelled", "canceled")
"""What a job may be besides, once a call has cancelled it."""
_READS = ("get_job", "claim", "dequeue", "list_jobs")


def _check(evidence: Evidence) -> Judgement:
    enqueued = _enqueued(evidence)
    seen: dict[str, str] = {}
    answers = 0
    for method, job, job_id in _answers(evidence):
        answers += 1
        for problem in _problems(evidence, method, job, job_id, enqueued):
            seen.setdefault(problem, method)
    violations = tuple(ViolationEvidence(problem, method) for problem, method in seen.items())
    return Judgement(answers, violations)


def _enqueued(evidence: Evidence) -> dict[str, list[Mapping[str, Json]]]:
    """Return the arguments of every enqueue that may have made a job, by job id; none of a job that was seeded."""
    prepared = {call.job_id for call in evidence.history if call.phase is Phase.PREPARE}
    at_start = set(evidence.moments[0].tables.job_ids)
    found: dict[str, list[Mapping[str, Json]]] = {}
    for operation in evidence.history:
        may_have_made = (
            operation.method == "enqueue"
            and operation.completion is not Completion.FAIL
            and operation.value is not False
        )
        if may_have_made and operation.job_id not in at_start - prepared:
            found.setdefault(operation.job_id, []).append(operation.arguments)
    return found


def _answers(evidence: Evidence) -> Iterator[tuple[str, Mapping[str, Json], str]]:
    """Yield each job that a call returned, with the id that was asked for; empty if any job was."""
    for operation in evidence.history:
        if operation.method in _READS:
            for job in _jobs_in(operation.value):
                yield operation.method, job, operation.job_id
    for answers in (evidence.read_back, *evidence.read_by_others):
        for (job_id, _), value in answers.items():
            for job in _jobs_in(value):
                yield "get_job", job, job_id


def _jobs_in(value: Json) -> Iterator[Mapping[str, Json]]:
    if isinstance(value, Mapping) and "items" not in value:
        yield value
        return
    items = value.get("items") if isinstance(value, Mapping) else value
    if isinstance(items, list | tuple):
        yield from (item for item in items if isinstance(item, Mapping))


def _problems(
    evidence: Evidence,
    method: str,
    job: Mapping[str, Json],
    asked_for: str,
    enqueued: Mapping[str, list[Mapping[str, Json]]],
) -> Iterator[str]:
    named = job.get("job_id", asked_for)
    if asked_for and named != asked_for:
        yield f"{method} of {asked_for} returned the job_id {_text(named)}."
        return
    status = job.get("status")
    is_known = status in STATUSES or (status in _CANCELLED and _may_be_cancelled(evidence, named))
    if status is not None and not is_known:
        yield f"{method} says that {named} has the status {_text(status)}, which is none of {', '.join(STATUSES)}."
    candidates = enqueued.get(named, []) if isinstance(named, str) else []
    if not candidates:
        return
    for field in FIELDS:
        if field in job:
            wanted = [arguments[field] for arguments in candidates if field in arguments]
            if wanted and not any(_is_same(job[field], value) for value in wanted):
                yield f"{method} says that {named} has {field} {_text(job[field])}; enqueued was {_text(wanted[0])}."
        elif method == "get_job" and field in evidence.traits.job_fields:
            yield f"get_job returned {named} without its {field}."


def _may_be_cancelled(evidence: Evidence, job_id: Json) -> bool:
    return any(
        call.job_id == job_id and call.value is not False for call in evidence.operations("cancel")
    )


def _is_same(one: Json, other: Json) -> bool:
    """Whether two values are equal as JSON, in which 1, 1.0 and true differ."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _text(value: Json) -> str:
    text = json.dumps(value, sort_keys=True, default=repr)
    return text if len(text) <= 60 else f"{text[:59]}…"


JOB_IS_AS_ENQUEUED = Invariant(
    id="job-is-as-enqueued",
    when="finally",
    claim="What a read, a list or a claim says of a job is what was enqueued.",
    severity=Severity.HIGH,
    check=_check,
    why_not=needs_one_of(*_READS),
    if_unchecked="no call returned the fields of a job",
)
