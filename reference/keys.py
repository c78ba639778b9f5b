"""Every key of the queue, for both schemas, and the checks that keep one key from posing as another."""

from __future__ import annotations

import re
from dataclasses import dataclass

PENDING = "ai:queue:pending"
DEAD = "ai:queue:dead"
OWNERS = "ai:owners"
SEQUENCE = "ai:sequence"
PHASES = "ai:phases"
LEASES = "ai:leases"
TOKENS = "ai:leases:tokens"
ATTEMPTS = "ai:leases:attempts"
TOKEN_COUNTER = "ai:leases:counter"
BACKFILL = "ai:backfill:cursor"
IDEMPOTENCY_S = 86_400
MAX_ID_LENGTH = 200
_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_ID = re.compile(r"[^\x00-\x1f\x7f:]+")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys' names.

    Args:
        prefix: put before every key. In a Redis Cluster it must be a hash tag (``{ai}:``), so that all keys live in
            one slot and a step can be atomic there; elsewhere it is empty, and the names are the well-known ones.
    """

    prefix: str = ""

    def __call__(self, name: str) -> str:
        """Return a key that there is one of: PENDING, OWNERS, …"""
        return f"{self.prefix}{name}"

    def old_job(self, job_id: str) -> str:
        return f"{self.prefix}ai:jobs:{job_id}"

    def new_job(self, workspace_id: str, job_id: str) -> str:
        return f"{self.prefix}ai:job:{workspace_id}:{job_id}"

    def request(self, workspace_id: str, client_request_id: str) -> str:
        """Holds the job_id of a request for IDEMPOTENCY_S seconds."""
        return f"{self.prefix}ai:idempotency:{workspace_id}:{client_request_id}"

    def index(self, workspace_id: str) -> str:
        """A sorted set of the workspace's job ids, by their place in the order of enqueueing."""
        return f"{self.prefix}ai:index:{workspace_id}"


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
    """Return a job_id, client_request_id or worker_id. Raises ValueError or TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {type(value).__name__}")
    if not _ID.fullmatch(value) or len(value) > MAX_ID_LENGTH:
        raise ValueError(
            f"{name} must be 1 to {MAX_ID_LENGTH} characters without ':' or control characters"
        )
    return value
