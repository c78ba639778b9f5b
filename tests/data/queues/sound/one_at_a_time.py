"""A sound queue that runs one job at a time: the next one is handed out once the one before is completed or late."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

import redis

TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'one:running', '-inf', now)) do
  redis.call('ZREM', 'one:running', id)
  redis.call('LPUSH', 'one:waiting', id)
end
if redis.call('ZCARD', 'one:running') > 0 then return false end
local id = redis.call('LPOP', 'one:waiting')
if not id then return false end
redis.call('ZADD', 'one:running', now + tonumber(ARGV[1]), id)
redis.call('HSET', 'one:tokens', id, ARGV[2])
return id
"""
DONE = """
if redis.call('HGET', 'one:tokens', ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', 'one:tokens', ARGV[1])
return redis.call('ZREM', 'one:running', ARGV[1])
"""


class Queue:
    promises: ClassVar[dict[str, Any]] = {"delivery": "at-least-once", "after_crash": "reruns"}

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id: str) -> None:
        self.redis.rpush("one:waiting", job_id)

    def claim(self, lease_s: float = 30.0) -> dict[str, str] | None:
        token = uuid.uuid4().hex
        job_id: Any = self.redis.eval(TAKE, 0, str(int(lease_s * 1000)), token)
        return {"job_id": job_id, "lease_token": token} if job_id else None

    def complete(self, job_id: str, lease_token: str) -> bool:
        return bool(self.redis.eval(DONE, 0, job_id, lease_token))
