"""Short words for evidence in tests of the invariants: an operation, a job's fields, the tables."""

from __future__ import annotations

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence, Moment, Traits
from midpipe.scenarios.model.history import Completion, Json, Operation, Phase, RaisedError
from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.model.state import Fields, Tables

_CALLS = frozenset({"enqueue", "get_job", "update_status"})
_ONCE = declared({"deduplicates": "request", "tenancy": "workspace", "order": "fifo"})
WHITE_BOX = Traits(_CALLS, True, True, promises=_ONCE)
BLACK_BOX = Traits(_CALLS, False, False, promises=_ONCE)
EMPTY = Tables({}, {}, (), {})


def fields(job_id: str = "j", status: str = "pending", **more: str) -> Fields:
    return {
        "job_id": job_id,
        "status": status,
        "action_provider": "mail",
        "action_name": "send",
        "params": "{}",
        "workspace_id": "acme",
        "actor_id": "u",
        "enqueued_at": "2025-10-17T10:15:00+00:00",
        **more,
    }


def tables(*job_ids: str, status: str = "pending", **requests: str) -> Tables:
    """Tables in which the jobs are whole: in both schemas and in the queue."""
    return Tables(
        old={job_id: fields(job_id, status) for job_id in job_ids},
        new={("acme", job_id): fields(job_id, status) for job_id in job_ids},
        pending=job_ids,
        requests={("acme", name): job_id for name, job_id in requests.items()},
    )


def call(
    method: str = "enqueue",
    job_id: str = "j",
    *,
    at: int = 0,
    value: Json = True,
    error: str = "",
    attempt: int = 1,
    request: int = 1,
    request_id: str = "",
    workspace_id: str = "acme",
    phase: Phase = Phase.PROGRAM,
    wrote: bool = True,
    state_after: int = 0,
    duration_ms: float = 1.0,
    **more: Json,
) -> Operation:
    """An operation that takes the place ``at`` to ``at + 1`` in the order of events."""
    arguments: dict[str, Json] = {"job_id": job_id, "workspace_id": workspace_id, **more}
    if request_id:
        arguments["client_request_id"] = request_id
    raised = RaisedError(error, "the connection was reset") if error else None
    return Operation(
        client="A",
        request=request,
        attempt=attempt,
        method=method,
        arguments=arguments,
        completion=Completion.INFO if error else Completion.OK,
        value=None if error else value,
        error=raised,
        wrote=wrote,
        faulted=bool(error),
        invoked_at=at,
        completed_at=at + 1,
        duration_ms=duration_ms,
        state_after=state_after,
        phase=phase,
    )


def evidence(
    *history: Operation,
    states: tuple[Tables, ...] = (EMPTY,),
    delivered: tuple[str, ...] | None = (),
    found: tuple[str, ...] = (),
    status: str = "pending",
    traits: Traits = WHITE_BOX,
    logs: tuple[str, ...] = (),
    malformed: bool = False,
    latency_bound_ms: float = 5_000.0,
) -> Evidence:
    return Evidence(
        traits=traits,
        history=history,
        moments=tuple(Moment(f"A{number}", state) for number, state in enumerate(states)),
        delivered=delivered,
        read_back={(job_id, "acme"): {"job_id": job_id, "status": status} for job_id in found},
        logs=logs,
        secrets=("mark-of-params",),
        latency_bound_ms=latency_bound_ms,
        malformed=malformed,
    )


def seen(invariant: str, *given_evidence: object, **more: object) -> tuple[str, ...]:
    """Return the sentences of what violates an invariant."""
    judgement = INVARIANTS[invariant].check(evidence(*given_evidence, **more))  # type: ignore[arg-type] # passed on
    return tuple(evidence.seen for evidence in judgement.violations)
