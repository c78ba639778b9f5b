"""The pages of a listing begin at an offset into the list of waiting jobs, which a worker may have made shorter."""

from __future__ import annotations

from typing import Any, ClassVar

import redis

WAITING, ALL, STATUSES = "waiting", "all", "statuses"
TAKE = """
local job = redis.call('LPOP', KEYS[1])
if job then redis.call('HSET', KEYS[2], job, 'running') end
return job
"""


class Queue:
    """Hands jobs out once and for all."""

    promises: ClassVar = {"delivery": "at-most-once", "deduplicates": "none"}

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url, decode_responses=True)
        self.take = self.redis.register_script(TAKE)

    def enqueue(self, job_id: str) -> None:
        with self.redis.pipeline(transaction=True) as block:
            block.hset(STATUSES, job_id, "pending")
            block.zadd(ALL, {job_id: 0})
            block.rpush(WAITING, job_id)
            block.execute()

    def dequeue(self) -> Any:
        return self.take(keys=[WAITING, STATUSES])

    def get_job(self, job_id: str) -> dict[str, Any] | None:
        status: Any = self.redis.hget(STATUSES, job_id)
        return {"job_id": job_id, "status": status} if status else None

    def list_jobs(
        self, status: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> dict[str, Any]:
        begin = int(cursor or 0)
        found: Any = self.redis.lrange(WAITING, begin, begin + limit)
        jobs = [{"job_id": job_id, "status": "pending"} for job_id in found]
        return {
            "items": jobs[:limit] if status == "pending" else [],
            "next_cursor": str(begin + limit) if found[limit:] else None,
        }


class Fixed(Queue):
    """A page begins behind the last job of the page before, in an index from which no job goes."""

    def list_jobs(
        self, status: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> dict[str, Any]:
        begin = f"({cursor}" if cursor else "-"
        found: Any = self.redis.zrangebylex(ALL, begin, "+", start=0, num=limit + 1)
        jobs = filter(None, map(self.get_job, found[:limit]))
        return {
            "items": [job for job in jobs if status in (None, job["status"])],
            "next_cursor": found[limit - 1] if found[limit:] else None,
        }
