"""Jobs in a hash, their order in a sorted set, and a lease by a token: no get_job, heartbeat, request id or workspace.

A finished job is deleted, so its id may be enqueued once more.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import redis

PUT = """
if redis.call('HSETNX', 'mail:letters', ARGV[1], ARGV[2]) == 0 then return 0 end
return redis.call('ZADD', 'mail:order', ARGV[3], ARGV[1])
"""
TAKE = """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'mail:table', '-inf', ARGV[2])) do
  redis.call('ZREM', 'mail:table', id)
  redis.call('ZADD', 'mail:order', 0, id)
end
local first = redis.call('ZPOPMIN', 'mail:order')[1]
if not first then return false end
redis.call('ZADD', 'mail:table', ARGV[3], first)
redis.call('HSET', 'mail:tokens', first, ARGV[1])
return {first, redis.call('HGET', 'mail:letters', first)}
"""
END = """
if redis.call('HGET', 'mail:tokens', ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', 'mail:letters', ARGV[1])
redis.call('ZREM', 'mail:table', ARGV[1])
return redis.call('HDEL', 'mail:tokens', ARGV[1])
"""


class Queue:
    def __init__(self, url: str) -> None:
        self.redis: Any = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id: str, params: dict[str, Any]) -> bool:
        self.redis.eval(PUT, 0, job_id, json.dumps(params), time.time())
        return True

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        token, now_s = uuid.uuid4().hex, time.time()
        taken = self.redis.eval(TAKE, 0, token, now_s, now_s + lease_s)
        if taken is None:
            return None
        return {"job_id": taken[0], "params": json.loads(taken[1]), "lease_token": token}

    def complete(self, job_id: str, lease_token: str) -> bool:
        return bool(self.redis.eval(END, 0, job_id, lease_token))
