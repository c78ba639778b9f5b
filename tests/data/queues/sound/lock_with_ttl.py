"""A claim holds a lock that expires after a second: a dead holder keeps every other worker out until then."""

from __future__ import annotations

from typing import Any

from tests.data.queues.base import Base

UNLOCK = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)


class Queue(Base):
    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        if not self.redis.set("small:lock", worker_id, nx=True, ex=1):
            return None
        try:
            return super().claim(worker_id, lease_s)
        finally:
            self.redis.eval(UNLOCK, 1, "small:lock", worker_id)
