"""A small sound queue, whose calls are one script each; the queues beside it change one call of it."""

from __future__ import annotations

import json
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

HEAD = """
local function now() local t = redis.call('TIME'); return t[1] * 1000 + math.floor(t[2] / 1000) end
local function job(id) return 'small:job:' .. id end
local function get(id, field) return redis.call('HGET', job(id), field) end
"""
ENQUEUE = (
    HEAD
    + """
if redis.call('EXISTS', job(ARGV[1])) == 1 then return 0 end
local request = 'small:request:' .. ARGV[2] .. ':' .. ARGV[3]
if ARGV[3] ~= '' and redis.call('SET', request, ARGV[1], 'NX', 'EX', 86400) == false then return 0 end
redis.call('HSET', job(ARGV[1]), unpack(ARGV, 4))
redis.call('RPUSH', 'small:waiting', ARGV[1])
return 1
"""
)
CLAIM = (
    HEAD
    + """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'small:active', '-inf', now())) do
  redis.call('ZREM', 'small:active', id)
  if get(id, 'status') == 'running' then redis.call('RPUSH', 'small:waiting', id) end
end
local id = redis.call('LPOP', 'small:waiting')
if not id then return {} end
redis.call('HSET', job(id), 'status', 'running', 'lease_token', redis.call('INCR', 'small:tokens'))
redis.call('ZADD', 'small:active', now() + ARGV[1], id)
return redis.call('HGETALL', job(id))
"""
)
COMPLETE = (
    HEAD
    + """
if get(ARGV[1], 'workspace_id') ~= ARGV[2] or get(ARGV[1], 'lease_token') ~= ARGV[3] then return 0 end
if get(ARGV[1], 'status') == 'completed' then return 1 end
redis.call('ZREM', 'small:active', ARGV[1])
redis.call('HSET', job(ARGV[1]), 'status', 'completed', 'result', ARGV[4])
return 1
"""
)


class Base:
    """Leases are scores of ``small:active``; a claim gives out again what is due there."""

    enqueue_script, claim_script, complete_script = ENQUEUE, CLAIM, COMPLETE

    def __init__(self, redis_url: str) -> None:
        self.redis: Any = redis.from_url(
            redis_url, decode_responses=True, retry=Retry(NoBackoff(), 0)
        )

    def enqueue(
        self,
        job_id: str,
        action_provider: str,
        action_name: str,
        params: Any,
        workspace_id: str,
        actor_id: str,
        client_request_id: str | None = None,
    ) -> bool:
        fields = {
            "job_id": job_id,
            "status": "pending",
            "action_provider": action_provider,
            "action_name": action_name,
            "params": json.dumps(params),
            "workspace_id": workspace_id,
            "actor_id": actor_id,
            "result": "null",
        }
        words = [word for pair in fields.items() for word in pair]
        request = client_request_id or ""
        return bool(
            self.redis.eval(self.enqueue_script, 0, job_id, workspace_id, request, *words) == 1
        )

    def get_job(self, job_id: str, workspace_id: str | None = None) -> dict[str, Any] | None:
        job = decoded(self.redis.hgetall("small:job:" + job_id))
        return job if job and workspace_id in (None, job["workspace_id"]) else None

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        words = self.redis.eval(self.claim_script, 0, int(lease_s * 1000))
        return decoded(dict(zip(words[::2], words[1::2], strict=True)))

    def complete(
        self, job_id: str, workspace_id: str, lease_token: str, result: Any = None
    ) -> bool:
        words = (job_id, workspace_id, lease_token, json.dumps(result))
        return bool(self.redis.eval(self.complete_script, 0, *words) == 1)


def decoded(fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return the job of a hash; None of an empty one."""
    if not fields:
        return None
    return {**fields, **{name: json.loads(fields[name]) for name in ("params", "result")}}
