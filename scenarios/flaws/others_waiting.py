"""Queues whose flaw needs another job: one that waits, the last one that is taken, or the same one, put in again.

Each is a sound queue with one step that assumes something about the other jobs. With a single job they are correct.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import redis

from midpipe.scenarios.flaws.failing import LEASES
from midpipe.scenarios.flaws.parts import checked
from midpipe.scenarios.flaws.workers import RUNNING, WAITING, ListQueue

IDS, REQUESTS, ACTIVE, TOKENS = "shop:ids", "shop:requests", "shop:active", "shop:tokens"
_ADD_ONCE = """
if redis.call('SADD', KEYS[2], ARGV[2]) == 0 then return 0 end
if ARGV[3] ~= '' and redis.call('SADD', KEYS[3], ARGV[3]) == 0 then
  redis.call('SREM', KEYS[2], ARGV[2])
  return 0
end
return redis.call('RPUSH', KEYS[1], ARGV[1])
"""
_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('ZREM', KEYS[2], id)
  redis.call('RPUSH', KEYS[1], id)
end
local id = redis.call('LPOP', KEYS[1])
if not id then return false end
redis.call('ZADD', KEYS[2], now + ARGV[1], id)
return {id, redis.call('HINCRBY', KEYS[3], id, 1)}
"""
_COMPLETE = """
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
"""


class KnowsItsJobs(ListQueue):
    """The sound one of the next class: it takes each job id, and each request id, once."""

    promises: ClassVar = {**ListQueue.promises, "deduplicates": "request", "tenancy": "none"}

    def enqueue(
        self,
        job_id: str,
        payload: Any = None,
        client_request_id: str | None = None,
        workspace_id: object = "acme",
    ) -> None:
        checked(workspace_id)
        text, request_id = json.dumps([job_id, payload]), client_request_id or ""
        keys = (WAITING, IDS, REQUESTS)
        waiting = self.redis.eval(_ADD_ONCE, len(keys), *keys, text, job_id, request_id)
        if waiting > 1:
            self.sort()

    def sort(self) -> None:
        """Sort the waiting jobs by their ids."""
        self.redis.sort(WAITING, alpha=True, store=WAITING)


class SortsInTwoSteps(KnowsItsJobs):
    """Removes the waiting jobs and pushes them again in order, if a new one has to be sorted in."""

    def sort(self) -> None:
        texts = self.redis.lrange(WAITING, 0, -1)
        self.redis.delete(WAITING)
        self.redis.rpush(WAITING, *sorted(texts))


class ForgetsAnEmptyList(ListQueue):
    """A worker that has run the last job takes the list off those with jobs, if a job has come meanwhile as well."""

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        with self.redis.pipeline(transaction=True) as block:
            block.rpush(WAITING, json.dumps([job_id, payload]))
            block.sadd(ACTIVE, WAITING)
            block.execute()

    def take(self) -> bytes | None:
        return super().take() if self.redis.sismember(ACTIVE, WAITING) else None

    def run(self, text: bytes) -> None:
        super().run(text)
        if not self.redis.llen(WAITING):
            self.redis.srem(ACTIVE, WAITING)

    def tick(self) -> None:
        if self.redis.exists(RUNNING):
            self.redis.sadd(ACTIVE, WAITING)
        super().tick()


class FencingQueue:
    """The sound one of the next class: it takes each job id once, and completes a job for its last worker only."""

    promises: ClassVar = {"delivery": "at-least-once", "deduplicates": "job"}

    def __init__(self, url: str) -> None:
        self.redis: Any = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id: str) -> bool:
        """Add a job; False if it is there already."""
        keys = (WAITING, IDS, REQUESTS)
        return bool(self.redis.eval(_ADD_ONCE, len(keys), *keys, job_id, job_id, ""))

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        """Hand out the first job that waits, or whose lease has ended."""
        keys = (WAITING, LEASES, TOKENS)
        taken = self.redis.eval(_TAKE, len(keys), *keys, lease_s)
        return {"job_id": taken[0], "lease_token": taken[1]} if taken else None

    def complete(self, job_id: str, lease_token: int) -> bool:
        """Remove the job; False if another worker has received it since."""
        keys = (LEASES, TOKENS)
        return bool(self.redis.eval(_COMPLETE, len(keys), *keys, job_id, lease_token))


class ForgetsWhatItRefuses(FencingQueue):
    """Forgets the id of a job that it refuses to complete, and takes the job again while another worker has it."""

    def complete(self, job_id: str, lease_token: int) -> bool:
        done = super().complete(job_id, lease_token)
        if not done:
            self.redis.srem(IDS, job_id)
        return done


class ForgetsTheListItEmptied(FencingQueue):
    """A worker that finds no job takes the list off those with jobs, if a job has come meanwhile as well."""

    def enqueue(self, job_id: str) -> bool:
        keys = (WAITING, IDS, REQUESTS)
        with self.redis.pipeline(transaction=True) as block:
            block.eval(_ADD_ONCE, len(keys), *keys, job_id, job_id, "")
            block.sadd(ACTIVE, WAITING)
            return bool(block.execute()[0])

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        if not self.redis.sismember(ACTIVE, WAITING) and not self.redis.exists(LEASES):
            return None
        taken = super().claim(worker_id, lease_s)
        if taken is None:
            self.redis.srem(ACTIVE, WAITING)
        return taken
