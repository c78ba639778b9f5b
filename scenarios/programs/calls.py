"""The calls that programs are made of, and the values in them. Data.

Job params and results carry markers that must never appear in a log line.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from midpipe.scenarios.model.history import Json
from midpipe.scenarios.programs.program import Answer, Call, Retry

WORKSPACE = "acme"
OTHER_WORKSPACE = "globex"
SECRET_PARAMS = "mark-of-params-5d1c"
SECRET_RESULT = "mark-of-result-9a7e"
LARGE = 16_384
SECRETS = (SECRET_PARAMS, SECRET_RESULT)
_ENQUEUED_AT = "2025-10-17T10:15:00+00:00"


def enqueue(
    job_id: str = "job-1",
    request_id: str | None = None,
    workspace_id: Json = WORKSPACE,
    retry: Retry = Retry.SAME,
) -> Call:
    """Return an enqueue call with every argument named."""
    return Call(
        "enqueue",
        {
            "job_id": job_id,
            "action_provider": "mail",
            "action_name": "send",
            "params": {"to": SECRET_PARAMS, "copies": 2},
            "workspace_id": workspace_id,
            "actor_id": "user-7",
            "client_request_id": request_id,
        },
        retry,
    )


def update(status: str, job_id: str = "job-1", *, result: Json = None) -> Call:
    """Return an update_status call."""
    return Call(
        "update_status",
        {"job_id": job_id, "status": status, "result": result, "workspace_id": WORKSPACE},
    )


def get(job_id: str = "job-1", workspace_id: str = WORKSPACE) -> Call:
    """Return a get_job call."""
    return Call("get_job", {"job_id": job_id, "workspace_id": workspace_id})


def list_of(workspace_id: str = WORKSPACE) -> Call:
    """Return a list_jobs call."""
    return Call("list_jobs", {"workspace_id": workspace_id})


TICK = Call("tick", {}, Retry.NONE)
TICK_IF_ANY = Call("tick", {}, Retry.NONE, waits=True, optional=True)
"""The periodic work of a queue that has some, once what it waits for is due."""


def once(call: Call) -> Call:
    """Return the call of a caller that never retries."""
    return Call(call.method, call.arguments, Retry.NONE)


MALFORMED: Mapping[str, Call] = MappingProxyType(
    {
        "empty-workspace": once(enqueue("bad-1", workspace_id="")),
        "no-workspace": once(enqueue("bad-2", workspace_id=None)),
        "odd-workspace": once(enqueue("bad-3", workspace_id="No Such:Workspace")),
        "long-workspace": once(enqueue("bad-4", workspace_id="a" * 33)),
        "odd-status": once(update("done")),
    }
)
"""Calls that a subject must refuse, by what is wrong with them."""


def old_job_seed(job_id: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that write a job in the old schema only, as code from before the new schema did."""
    fields = {
        "job_id": job_id,
        "status": "pending",
        "action_provider": "mail",
        "action_name": "send",
        "params": '{"to":"' + SECRET_PARAMS + '"}',
        "workspace_id": WORKSPACE,
        "actor_id": "user-7",
        "result": "",
        "enqueued_at": _ENQUEUED_AT,
    }
    words = tuple(word for pair in fields.items() for word in pair)
    return (("HSET", f"ai:jobs:{job_id}", *words), ("RPUSH", "ai:queue:pending", job_id))


def removal_of_old_copy(job_id: str) -> tuple[tuple[str, ...], ...]:
    """Return the command that deletes a job from the old schema."""
    return (("DEL", f"ai:jobs:{job_id}"),)


def claim(worker: str, lease_s: float = 30.0) -> Call:
    """Return a claim with a lease of that many seconds; SHORTEST_LEASE_S has ended before the next command."""
    return Call("claim", {"worker_id": worker, "lease_s": lease_s})


def complete(result: Json = SECRET_RESULT) -> Call:
    """Return the completion of the job that the client claimed."""
    return Call(
        "complete",
        {
            "job_id": Answer("claim", "job_id"),
            "workspace_id": WORKSPACE,
            "lease_token": Answer("claim", "lease_token"),
            "result": {"answer": result},
        },
    )


def completion_of(claimed: Json, worker: str) -> Call:
    """Return the completion of a job that a worker of midpipe's own has claimed.

    Args:
        claimed: what the claim returned: the job, or its id. A job that shows no workspace is one of WORKSPACE, as most
            are.
        worker: which worker it is; it stands in the result.
    """
    job = claimed if isinstance(claimed, Mapping) else {"job_id": claimed}
    return Call(
        "complete",
        {
            "job_id": job.get("job_id"),
            "workspace_id": job.get("workspace_id", WORKSPACE),
            "lease_token": job.get("lease_token"),
            "result": {"by": worker},
        },
    )


HEARTBEAT = Call(
    "heartbeat",
    {
        "job_id": Answer("claim", "job_id"),
        "lease_token": Answer("claim", "lease_token"),
        "lease_s": 30.0,
    },
)
PAGE = Call("list_jobs", {"workspace_id": WORKSPACE, "status": "pending", "limit": 2})
NEXT_PAGE = Call("list_jobs", {**PAGE.arguments, "cursor": Answer("list_jobs", "next_cursor")})
FAIL = Call(
    "fail",
    {
        "job_id": Answer("claim", "job_id"),
        "lease_token": Answer("claim", "lease_token"),
        "back_off_s": 0,
    },
)
BACKFILL = Call("backfill", {})
CLEANUP = Call("cleanup", {})
