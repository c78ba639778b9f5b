"""A sound queue whose claim answers an empty object if there is no job."""

from __future__ import annotations

from typing import Any

from tests.data.queues.base import Base


class Queue(Base):
    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        return super().claim(worker_id, lease_s) or {}
