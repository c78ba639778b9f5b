"""The keys that all jobs share, and the checks that keep an argument from forming another key.

The keys of one job are built from its id inside the steps, in ``lua/common.lua``:

    ai:jobs:{job_id}                                       the old schema's hash; kept as long as the job
    ai:job:{workspace_id}:{job_id}                         the new schema's hash; kept as long as the job
    ai:index:{workspace_id}                                the workspace's job ids by place; kept as long as the jobs
    ai:idempotency:{workspace_id}:{client_request_id}      the job_id of a request; kept for IDEMPOTENCY_S
    ai:claim:{claim id}                                    the job that a claim got; kept as long as its first lease
    ai:done:{token}                                        how a lease ended; kept for DONE_S

Of the shared keys, OWNERS has an entry for each job; LEASES, TOKENS and ATTEMPTS have one for each job that a worker
holds or that waits for its next attempt; DEAD has one for each job that has used up its attempts. ``Queue.forget``
removes a finished job from all of them.
"""

from __future__ import annotations

import re

PENDING = "ai:queue:pending"
DEAD = "ai:queue:dead"
OWNERS = "ai:owners"
LEASES = "ai:leases"
TOKENS = "ai:leases:tokens"
ATTEMPTS = "ai:leases:attempts"
SEQUENCE = "ai:sequence"
ALL_PLACED = "ai:index:whole"
SHARED = (OWNERS, PENDING, DEAD, LEASES, TOKENS, ATTEMPTS, SEQUENCE, ALL_PLACED)
"""The KEYS of every step, in the order in which ``lua/common.lua`` names them."""
BACKFILL = "ai:backfill:cursor"
IDEMPOTENCY_S = 86_400
DONE_S = 600
"""For how long, in seconds, the second of two equal calls that end a lease gets the answer of the first."""
MAX_ID_LENGTH = 200
_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_ID = re.compile(r"[^\x00-\x1f\x7f:]+")


def has_hash_tag(prefix: str) -> bool:
    """Whether a Cluster puts every key with that prefix into one slot: the text in the first braces decides that."""
    _, brace, rest = prefix.partition("{")
    return bool(brace) and rest.find("}") > 0


def checked_text(name: str, value: object) -> str:
    """Return text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {type(value).__name__}")
    return value


def checked_workspace(value: object) -> str:
    """Return a workspace_id. Raises ValueError or TypeError."""
    text = checked_text("workspace_id", value)
    if not _WORKSPACE.fullmatch(text):
        raise ValueError(
            f"workspace_id {value!r} must be 1 to 32 of a-z, 0-9, _ and -, not led by _ or -"
        )
    return text


def checked_id(name: str, value: object) -> str:
    """Return a job_id, client_request_id or worker_id. Raises ValueError or TypeError."""
    text = checked_text(name, value)
    if not _ID.fullmatch(text) or len(text) > MAX_ID_LENGTH:
        raise ValueError(
            f"{name} must be 1 to {MAX_ID_LENGTH} characters without ':' or control characters"
        )
    return text
