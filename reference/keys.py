"""Every key of the queue, for both schemas, and the checks that keep one key from posing as another."""

from __future__ import annotations

import re

PENDING = "ai:queue:pending"
OWNERS = "ai:owners"
LEASES = "ai:leases"
TOKENS = "ai:lease-token"
IDEMPOTENCY_S = 86_400
MAX_ID_LENGTH = 200

_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_ID = re.compile(r"[^\x00-\x1f\x7f:]+")


def old_job(job_id: str) -> str:
    """The job's hash in the old schema."""
    return f"ai:jobs:{job_id}"


def new_job(workspace_id: str, job_id: str) -> str:
    """The job's hash in the new schema."""
    return f"ai:job:{workspace_id}:{job_id}"


def request(workspace_id: str, client_request_id: str) -> str:
    """Holds the job_id of a request for IDEMPOTENCY_S seconds."""
    return f"ai:idempotency:{workspace_id}:{client_request_id}"


def workspace_index(workspace_id: str) -> str:
    """A sorted set of the workspace's job ids, by time of enqueueing."""
    return f"ai:index:{workspace_id}"


def checked_workspace(value: object) -> str:
    """Return a workspace_id. Raises ValueError or TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"workspace_id must be text, not {type(value).__name__}")
    if not _WORKSPACE.fullmatch(value):
        raise ValueError(
            f"workspace_id {value!r} must be 1 to 32 of a-z, 0-9, _ and -, not led by _ or -"
        )
    return value


def checked_id(name: str, value: object) -> str:
    """Return a job_id or client_request_id. Raises ValueError or TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {type(value).__name__}")
    if not _ID.fullmatch(value) or len(value) > MAX_ID_LENGTH:
        raise ValueError(
            f"{name} must be 1 to {MAX_ID_LENGTH} characters without ':' or control characters"
        )
    return value
