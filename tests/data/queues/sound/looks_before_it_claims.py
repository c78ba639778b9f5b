"""A claim reads before it writes, so a fault of the server at the read lasts until the claim has ended."""

from __future__ import annotations

from typing import Any

from tests.data.queues.base import Base


class Queue(Base):
    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        self.redis.zcard("small:active")
        return super().claim(worker_id, lease_s)
