"""A failed job waits in a sorted set; a claim reads the first that is due and removes it, though another may have."""

from __future__ import annotations

import time
from typing import Any

from tests.data.queues.base import HEAD, Base, decoded

GIVE_UP = (
    HEAD
    + """
if get(ARGV[1], 'given_up') == ARGV[2] then return 1 end
if get(ARGV[1], 'lease_token') ~= ARGV[2] or get(ARGV[1], 'status') ~= 'running' then return 0 end
redis.call('ZREM', 'small:active', ARGV[1])
redis.call('HSET', job(ARGV[1]), 'status', 'pending', 'given_up', ARGV[2])
redis.call('HDEL', job(ARGV[1]), 'lease_token')
redis.call('ZADD', 'small:due', now() + ARGV[3], ARGV[1])
return 1
"""
)
TAKE = (
    HEAD
    + """
redis.call('HSET', job(ARGV[1]), 'status', 'running', 'lease_token', redis.call('INCR', 'small:tokens'))
redis.call('ZADD', 'small:active', now() + ARGV[2], ARGV[1])
return redis.call('HGETALL', job(ARGV[1]))
"""
)
TAKE_IF_DUE = TAKE.replace(
    "redis.call('HSET'",
    "if redis.call('ZREM', 'small:due', ARGV[1]) == 0 then return {} end\nredis.call('HSET'",
    1,
)


class Queue(Base):
    def fail(
        self, job_id: str, lease_token: str, result: Any = None, back_off_s: float = 1.0
    ) -> bool:
        words = (job_id, lease_token, int(back_off_s * 1000))
        return bool(self.redis.eval(GIVE_UP, 0, *words) == 1)

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        due = self.redis.zrangebyscore("small:due", "-inf", time.time() * 1000, start=0, num=1)
        job = self.taken(due[0], int(lease_s * 1000)) if due else None
        return job or super().claim(worker_id, lease_s)

    def taken(self, job_id: str, lease_ms: int) -> dict[str, Any] | None:
        """Remove a job from those that are due, and take it."""
        with self.redis.pipeline(transaction=True) as block:
            block.zrem("small:due", job_id)
            block.eval(TAKE, 0, job_id, lease_ms)
            words = block.execute()[1]
        return decoded(dict(zip(words[::2], words[1::2], strict=True)))


class Fixed(Queue):
    """Only the worker whose removal has removed the job takes it."""

    def taken(self, job_id: str, lease_ms: int) -> dict[str, Any] | None:
        words = self.redis.eval(TAKE_IF_DUE, 0, job_id, lease_ms)
        return decoded(dict(zip(words[::2], words[1::2], strict=True)))
