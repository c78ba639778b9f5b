"""A belt of parcels, ordered by time; its record of a parcel says waiting until the parcel is completed."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import redis

TAKE = """
local late = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
local id = late or redis.call('ZPOPMIN', KEYS[1])[1]
if not id then return false end
redis.call('ZADD', KEYS[2], ARGV[2], id)
redis.call('HSET', 'parcel:' .. id, 'hand', ARGV[3])
return {id, redis.call('HGET', 'parcel:' .. id, 'body')}
"""
PUT = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'status', 'pending')
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 1
"""
DONE = """
if redis.call('HGET', KEYS[1], 'hand') ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], 'status', 'completed')
return 1
"""


class Queue:
    def __init__(self, redis_url: str) -> None:
        # redis-py's from_url is not annotated in every supported release.
        self.redis: Any = redis.Redis.from_url(redis_url, decode_responses=True)

    def enqueue(self, job_id: str, params: Any = None) -> bool:
        words = [job_id, json.dumps(params), time.time()]
        return bool(self.redis.eval(PUT, 2, f"parcel:{job_id}", "belt", *words))

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        now, hand = time.time(), uuid.uuid4().hex
        found = self.redis.eval(TAKE, 2, "belt", "hands", now, now + lease_s, hand)
        if not found:
            return None
        return {"job_id": found[0], "lease_token": hand, "params": json.loads(found[1])}

    def complete(self, job_id: str, lease_token: str) -> bool:
        return bool(self.redis.eval(DONE, 2, f"parcel:{job_id}", "hands", job_id, lease_token))

    def get_job(self, job_id: str) -> dict[str, Any] | None:
        found = self.redis.hgetall(f"parcel:{job_id}")
        if not found:
            return None
        return {
            "job_id": job_id,
            "status": found["status"],
            "params": json.loads(found["body"]),
        }
