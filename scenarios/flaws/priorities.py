"""Queues that hand out the job of the highest priority first: a sound one, and one that takes the lowest first."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from midpipe.scenarios.flaws.failing import LEASES, LeasingQueue
from midpipe.scenarios.flaws.workers import WAITING

PRIORITIES = "shop:priorities"
_TAKE = """
local id = redis.call(ARGV[2], KEYS[1], 0, 0)[1]
if id then
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZADD', KEYS[2], ARGV[1], id)
end
return id
"""
_PUT_BACK = """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])) do
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZADD', KEYS[1], redis.call('HGET', KEYS[3], id), id)
end
"""


class PriorityQueue(LeasingQueue):
    """The sound one: waiting jobs are in a sorted set, and a hash keeps the priority of each."""

    promises: ClassVar = {**LeasingQueue.promises, "order": "priority"}
    reads_first = "ZREVRANGE"

    def enqueue(self, job_id: str, priority: int = 0) -> None:
        """Add a job."""
        with self.redis.pipeline(transaction=True) as block:
            block.hset(PRIORITIES, job_id, priority)
            block.zadd(WAITING, {job_id: priority})
            block.execute()

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        """Hand out the job of the highest priority under a lease."""
        until_s = time.time() + lease_s
        job_id = self.redis.eval(_TAKE, 2, WAITING, LEASES, until_s, self.reads_first)
        return {"job_id": job_id, "worker_id": worker_id} if job_id else None

    def fail(self, job_id: str) -> bool:
        """Remove the job: it is not tried again."""
        return self.complete(job_id)

    def tick(self) -> None:
        """Put the jobs back whose lease has ended."""
        self.redis.eval(_PUT_BACK, 3, WAITING, LEASES, PRIORITIES, time.time())


class TakesTheLowestFirst(PriorityQueue):
    """Hands out the job of the lowest priority first."""

    reads_first = "ZRANGE"
