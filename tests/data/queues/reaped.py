"""Queues whose periodic work puts back the jobs of dead workers; ``claim`` itself looks at waiting jobs only."""

from __future__ import annotations

from typing import Any, ClassVar

import redis

_TAKE = """
local id = redis.call('LPOP', 'ready')
if not id then return false end
local now = redis.call('TIME')
redis.call('ZADD', 'leases', now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[1], id)
return {id, redis.call('HINCRBY', 'job:' .. id, 'token', 1)}
"""
_PUT_BACK = """
local now = redis.call('TIME')
for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'leases', 0, now[1] * 1000 + math.floor(now[2] / 1000))) do
    redis.call('ZREM', 'leases', id)
    redis.call('LPUSH', 'ready', id)
end
"""
_FINISH = """
if redis.call('HGET', 'job:' .. ARGV[1], 'token') ~= ARGV[2] then return 0 end
if redis.call('HGET', 'job:' .. ARGV[1], 'status') == 'completed' then return 1 end
if redis.call('ZREM', 'leases', ARGV[1]) == 0 then return 0 end
redis.call('HSET', 'job:' .. ARGV[1], 'status', 'completed')
return 1
"""


class Reaped:
    """Sound: every step is one script, and a token shows whose lease it is."""

    promises: ClassVar = {"deduplicates": "job", "recovers_within_s": 2.0}

    def __init__(self, redis_url: str) -> None:
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)

    def enqueue(self, job_id: str, payload: Any) -> bool:
        script = "if redis.call('HSETNX', KEYS[1], 'status', 'pending') == 0 then return 0 end "
        script += "redis.call('RPUSH', 'ready', ARGV[1]) return 1"
        return bool(self.redis.eval(script, 1, f"job:{job_id}", job_id))

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        taken: Any = self.redis.eval(_TAKE, 0, int(lease_s * 1000))
        return {"job_id": taken[0], "lease_token": taken[1]} if taken else None

    def complete(self, job_id: str, lease_token: int) -> bool:
        return bool(self.redis.eval(_FINISH, 0, job_id, lease_token))

    def get_job(self, job_id: str) -> dict[str, Any] | None:
        status = self.redis.hget(f"job:{job_id}", "status")
        return {"job_id": job_id, "status": status} if status else None

    def tick(self) -> None:
        self.redis.eval(_PUT_BACK, 0)


_ENQUEUE_LATER = """
if redis.call('HSETNX', KEYS[1], 'status', 'pending') == 0 then return 0 end
local now = redis.call('TIME')
redis.call('ZADD', 'leases', now[1] * 1000 + math.floor(now[2] / 1000) + 500, ARGV[1])
return 1
"""


class PutsOff(Reaped):
    """Sound: a job waits for half a second until the periodic work puts it where claims take it."""

    promises: ClassVar = {"deduplicates": "job"}

    def enqueue(self, job_id: str, payload: Any) -> bool:
        return bool(self.redis.eval(_ENQUEUE_LATER, 1, f"job:{job_id}", job_id))


class FinishesWithAnyToken(Reaped):
    """A worker whose lease has ended completes the job all the same, while another one has it."""

    def complete(self, job_id: str, lease_token: int) -> bool:
        self.redis.zrem("leases", job_id)
        self.redis.hset(f"job:{job_id}", "status", "completed")
        return True


class PutsBackInSteps(Reaped):
    """Two workers that do the periodic work at once put a job back twice."""

    def tick(self) -> None:
        seconds, micros = self.redis.time()
        now_ms = seconds * 1000 + micros // 1000
        for job_id in map(str, self.redis.zrangebyscore("leases", 0, now_ms)):
            self.redis.lpush("ready", job_id)
            self.redis.zrem("leases", job_id)


class ForgetsFirst(Reaped):
    """A worker that dies between the two steps of the periodic work takes the job with it."""

    def tick(self) -> None:
        seconds, micros = self.redis.time()
        now_ms = seconds * 1000 + micros // 1000
        for job_id in map(str, self.redis.zrangebyscore("leases", 0, now_ms)):
            self.redis.zrem("leases", job_id)
            self.redis.lpush("ready", job_id)


class NeverPutsBack(Reaped):
    """The periodic work does nothing, so a job whose worker died is never received again."""

    def tick(self) -> None:
        pass


class FinishedJobsExpire(Reaped):
    """Sound: what is known of a finished job expires after a day."""

    def complete(self, job_id: str, lease_token: int) -> bool:
        is_finished = super().complete(job_id, lease_token)
        if is_finished:
            self.redis.expire(f"job:{job_id}", 86_400)
        return is_finished
