"""A job as it is stored and as it is returned; the order of its statuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Job = dict[str, Any]

PENDING, RUNNING, COMPLETED, FAILED = "pending", "running", "completed", "failed"
STATUSES = (PENDING, RUNNING, COMPLETED, FAILED)


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat()


def encoded(value: object) -> str:
    """JSON text. Raises TypeError or ValueError for what JSON can't hold."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def decoded(fields: Mapping[str, str]) -> Job | None:
    """The job that a hash holds, with params and result as values; None for an empty hash."""
    if not fields:
        return None
    job: Job = dict(fields)
    job["params"] = json.loads(fields.get("params") or "{}")
    job["result"] = json.loads(fields["result"]) if fields.get("result") else None
    return job


def checked_status(value: object) -> str:
    """Return a status. Raises ValueError."""
    if value not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}; got {value!r}")
    return str(value)
