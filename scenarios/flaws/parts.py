"""Keys, fields and decoding for the flawed queues. It writes nothing, so each queue's file shows its whole flaw."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import redis

Job = dict[str, Any]

PENDING = "ai:queue:pending"
REQUEST_S = 86_400
STATUSES = ("pending", "running", "completed", "failed")
_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def is_dual() -> bool:
    """Whether both schemas are written."""
    return os.environ.get("AI_JOBS_NEW_SCHEMA", "off") == "on"


def url_or_default(redis_url: str | None) -> str:
    return redis_url or os.environ.get("REDIS_URL") or "redis://localhost:6379"


def connected(redis_url: str | None) -> Any:
    """Return a driver without retries, as from_url makes it."""
    return redis.from_url(url_or_default(redis_url), decode_responses=True)


def old_key(job_id: str) -> str:
    return f"ai:jobs:{job_id}"


def new_key(workspace_id: str | None, job_id: str) -> str:
    return f"ai:job:{workspace_id}:{job_id}"


def request_key(workspace_id: str | None, request_id: str | None) -> str:
    return f"ai:idempotency:{workspace_id}:{request_id}"


def now() -> str:
    return datetime.now(UTC).isoformat()


def checked(workspace_id: object) -> None:
    """Raise ValueError unless it is a valid workspace_id."""
    if not isinstance(workspace_id, str) or not _WORKSPACE.fullmatch(workspace_id):
        raise ValueError(f"workspace_id {workspace_id!r} is malformed")


def fields_of(
    job_id: str,
    action_provider: str,
    action_name: str,
    params: Mapping[str, Any],
    workspace_id: str,
    actor_id: str,
) -> dict[str, str]:
    """Return the fields of a new job's hash."""
    return {
        "job_id": job_id,
        "status": "pending",
        "action_provider": action_provider,
        "action_name": action_name,
        "params": json.dumps(params),
        "workspace_id": str(workspace_id),
        "actor_id": actor_id,
        "result": "",
        "enqueued_at": now(),
    }


def changes_to(status: str, result: Any) -> dict[str, str]:
    """Return the fields of a hash that an update writes."""
    changes = {"status": status}
    if result is not None:
        changes["result"] = json.dumps(result)
    if status == "running":
        changes["started_at"] = now()
    elif status in ("completed", "failed"):
        changes["finished_at"] = now()
    return changes


def decoded(fields: Mapping[str, str]) -> Job | None:
    """Return the job that a hash holds, or None."""
    if not fields:
        return None
    job: Job = dict(fields)
    for name in ("params", "result"):
        if name in job:
            job[name] = json.loads(job[name]) if job[name] else None
    return job


def newest(jobs: Iterable[Job | None], limit: int) -> list[Job]:
    """Return at most ``limit`` jobs, the newest first."""
    found = [job for job in jobs if job is not None]
    return sorted(found, key=lambda job: str(job.get("enqueued_at")), reverse=True)[:limit]
