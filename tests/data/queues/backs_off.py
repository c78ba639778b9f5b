"""Queues whose worker runs the jobs; the job of a dead worker comes back from a sorted set of delayed jobs."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import midpipe_job
import redis

BACK_OFF_S = 30.0
_PROMOTE = """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'delayed', 0, ARGV[1])) do
    redis.call('ZREM', 'delayed', id)
    redis.call('RPUSH', 'ready', id)
end
"""
_TAKE = """
local id = redis.call('LPOP', 'ready')
if id then redis.call('ZADD', 'delayed', ARGV[1], id) end
return id
"""


class BacksOff:
    """Sound: a job that runs stands in the delayed jobs too, for as long as its worker may take."""

    promises: ClassVar = {"delivery": "at-least-once", "order": "none", "recovers_within_s": 60.0}

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        body = (payload or {}).get("body", "succeed")
        pipe = self.redis.pipeline()
        pipe.hset("bodies", job_id, body)
        pipe.rpush("ready", job_id)
        pipe.execute()

    def work(self, jobs: int = 1) -> None:
        for _ in range(jobs):
            job_id: Any = self.redis.eval(_TAKE, 0, time.time() + BACK_OFF_S)
            if job_id is None:
                return
            body = self.redis.hget("bodies", job_id)
            try:
                midpipe_job.run(job_id, {"body": body})
            except midpipe_job.JobFailedError:
                continue
            self.redis.zrem("delayed", job_id)

    def tick(self) -> None:
        self.redis.eval(_PROMOTE, 0, time.time())


class PromotesInTwoSteps(BacksOff):
    """A worker that dies between the two steps takes the job with it."""

    def tick(self) -> None:
        for job_id in map(str, self.redis.zrangebyscore("delayed", 0, time.time())):
            if self.redis.zrem("delayed", job_id):
                self.redis.rpush("ready", job_id)
