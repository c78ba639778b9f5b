"""Queues that try a failed job again: a sound one that hands jobs out, and two that lose such a job between two steps.

Without faults each of them gives a failed job to a worker again; that is all they promise of it.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

import redis

from midpipe.scenarios.flaws.workers import RUNNING, WAITING, ListQueue

LEASES = "shop:leases"
_TAKE = """
local id = redis.call('LPOP', KEYS[1])
if id then redis.call('ZADD', KEYS[2], ARGV[1], id) end
return id
"""
_PUT_BACK = """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])) do
  redis.call('ZREM', KEYS[2], id)
  redis.call('RPUSH', KEYS[1], id)
end
"""


class LeasingQueue:
    """The sound one: a job waits in a list, and while a worker has it, its lease is in a sorted set."""

    promises: ClassVar = {"delivery": "at-least-once", "order": "none"}

    def __init__(self, url: str) -> None:
        self.redis: Any = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id: str) -> None:
        """Add a job at the end of the waiting list."""
        self.redis.rpush(WAITING, job_id)

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        """Hand the first waiting job out under a lease."""
        job_id = self.redis.eval(_TAKE, 2, WAITING, LEASES, time.time() + lease_s)
        return {"job_id": job_id, "worker_id": worker_id} if job_id else None

    def complete(self, job_id: str) -> bool:
        """Remove the job; False if no worker has it."""
        return bool(self.redis.zrem(LEASES, job_id))

    def fail(self, job_id: str) -> bool:
        """Put the job back, to be tried again."""
        with self.redis.pipeline(transaction=True) as block:
            block.zrem(LEASES, job_id)
            block.rpush(WAITING, job_id)
            return bool(block.execute()[0])

    def tick(self) -> None:
        """Put the jobs back whose lease has ended."""
        self.redis.eval(_PUT_BACK, 2, WAITING, LEASES, time.time())


class FailsInTwoSteps(LeasingQueue):
    """Ends the lease of a failed job before it puts the job back."""

    def fail(self, job_id: str) -> bool:
        if not self.redis.zrem(LEASES, job_id):
            return False
        self.redis.rpush(WAITING, job_id)
        return True


class DropsFailedJobs(LeasingQueue):
    """Sound as well, for it never tries a failed job again."""

    def fail(self, job_id: str) -> bool:
        return self.complete(job_id)


class RetriesInTwoSteps(ListQueue):
    """Takes a failed job out of the running ones before it puts the job back."""

    def run(self, text: bytes) -> None:
        try:
            super().run(text)
        except redis.RedisError:
            raise
        except Exception:  # whatever the job's body raises
            self.redis.lrem(RUNNING, 1, text)
            self.redis.rpush(WAITING, text)
