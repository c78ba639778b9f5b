"""A blocking pop takes the job off the list, and a second command leases it: a worker that dies between loses it."""

from __future__ import annotations

from typing import Any

from tests.data.queues.base import HEAD, Base, decoded
from tests.data.queues.flawed.due_twice import TAKE

WAITS_S = 0.05
RETURN_ENDED = (
    HEAD
    + """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'small:active', '-inf', now())) do
  redis.call('ZREM', 'small:active', id)
  if get(id, 'status') == 'running' then redis.call('RPUSH', 'small:waiting', id) end
end
"""
)


class Queue(Base):
    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        self.redis.eval(RETURN_ENDED, 0)
        popped = self.redis.blpop(["small:waiting"], timeout=WAITS_S)
        if popped is None:
            return None
        words = self.redis.eval(TAKE, 0, popped[1], int(lease_s * 1000))
        return decoded(dict(zip(words[::2], words[1::2], strict=True)))


class Fixed(Base):
    """It blocks on a list of its own, and one script pops the job and leases it."""

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        new = super().enqueue(job_id, *args, **named)
        self.redis.rpush("small:bell", 1)
        return new

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        job = super().claim(worker_id, lease_s)
        if job is None and self.redis.blpop(["small:bell"], timeout=WAITS_S):
            job = super().claim(worker_id, lease_s)
        return job
