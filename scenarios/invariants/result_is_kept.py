"""result-is-kept: a job that has ended has the result of one of the calls that ended it with that status.

Judged in the final state, whatever those calls returned, because a status without its result is half an update. The
result may come back as JSON text, and a missing result as None or an empty string.

Blind to: subjects whose jobs have no ``result``; an end by a call that takes no result; which of several results came
first; a job that still runs; and a job that failed because its attempts were used up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    Traits,
    ViolationEvidence,
    status_of,
)
from midpipe.scenarios.model.history import Json, Operation
from midpipe.scenarios.model.outcome import Severity

_ENDS = ("completed", "failed")
_SHOWN = 60


def _check(evidence: Evidence) -> Judgement:
    violations = []
    observed = 0
    for (job_id, workspace_id), job in sorted(evidence.read_back.items()):
        calls = [o for o in evidence.history if o.job_id == job_id]
        ends = [o for o in calls if _ends(o, status_of(job))]
        if not isinstance(job, Mapping) or "result" not in job:
            continue
        if not all(_takes_result(evidence.traits, end.method) for end in ends):
            continue
        if workspace_id not in {end.workspace_id for end in ends} or _may_have_been_given_up(
            calls, status_of(job)
        ):
            continue
        observed += 1
        given = [end.arguments.get("result") for end in ends]
        if not any(_is_same(job["result"], result) for result in given):
            violations.append(
                ViolationEvidence(
                    f"{job_id} is {status_of(job)} with the result {_shown(job['result'])}; "
                    f"its callers gave {' or '.join(sorted(set(map(_shown, given))))}.",
                    ends[0].method,
                )
            )
    return Judgement(observed, tuple(violations))


def _takes_result(traits: Traits, method: str) -> bool:
    accepted = traits.accepts.get(method)
    return accepted is None or "result" in accepted


def _ends(operation: Operation, status: str) -> bool:
    """Whether a call ends a job with that status."""
    if operation.method == "complete":
        return status == "completed"
    return status in _ENDS and operation.arguments.get("status") == status


def _may_have_been_given_up(calls: list[Operation], status: str) -> bool:
    return status == "failed" and any(operation.method == "fail" for operation in calls)


def _is_same(shown: Json, given: Json) -> bool:
    if shown == given or (shown in (None, "") and given in (None, "")):
        return True
    try:
        return isinstance(shown, str) and bool(json.loads(shown) == given)
    except (ValueError, RecursionError):
        return False


def _shown(result: Json) -> str:
    text = json.dumps(result)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _why_not(traits: Traits) -> str:
    """Return why the invariant does not apply, or an empty string."""
    if any(traits.takes(call, "result") for call in ("update_status", "complete")):
        return ""
    return "the subject has no update_status or complete that takes a result"


RESULT_IS_KEPT = Invariant(
    id="result-is-kept",
    when="finally",
    claim="A job that has ended has the result of a call that ended it.",
    severity=Severity.HIGH,
    check=_check,
    why_not=_why_not,
    if_unchecked="no job that was read back after its end had a result",
)
