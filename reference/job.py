"""A job as it is stored and as it is returned, and the order of its statuses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

Job = dict[str, Any]

PENDING, RUNNING, COMPLETED, FAILED = "pending", "running", "completed", "failed"
RANKS = {PENDING: 0, RUNNING: 1, COMPLETED: 2, FAILED: 2}


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat()


def encoded(value: object) -> str:
    """Return JSON text. Raises TypeError or ValueError for a value that JSON can't hold."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def decoded(words: Sequence[str]) -> Job | None:
    """Return the job of a hash, given as field, value, field, value, …; None for an empty hash.

    ``params`` and ``result`` are decoded from JSON.
    """
    if not words:
        return None
    job: Job = dict(zip(words[::2], words[1::2], strict=True))
    job["params"] = json.loads(job.get("params") or "{}")
    job["result"] = json.loads(job["result"]) if job.get("result") else None
    return job


def checked_status(value: object) -> str:
    """Return a valid status. Raises ValueError."""
    if value not in RANKS:
        raise ValueError(f"status must be one of {', '.join(RANKS)}; got {value!r}")
    return str(value)
