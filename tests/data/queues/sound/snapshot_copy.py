"""The reviewed queue's two schemas without leases: a backfill copies what is not there yet, as it is at that moment.

After a power loss the file holds what midpipe's own dequeues have taken as well; that is no fault of the queue's.
"""

from __future__ import annotations

from typing import Any

from tests.data.queues.base import Base, decoded

ENQUEUE = """
local old, new = 'ai:jobs:' .. ARGV[1], 'ai:job:' .. ARGV[2] .. ':' .. ARGV[1]
local request = 'ai:idempotency:' .. ARGV[2] .. ':' .. ARGV[3]
if redis.call('EXISTS', old) == 1 or (ARGV[3] ~= '' and redis.call('EXISTS', request) == 1) then return 0 end
for _, key in ipairs({old, new}) do
  redis.call('HSET', key, 'enqueued_at', '2025-10-17T10:15:00+00:00', unpack(ARGV, 4))
end
redis.call('RPUSH', 'ai:queue:pending', ARGV[1])
if ARGV[3] ~= '' then redis.call('SET', request, ARGV[1], 'EX', 86400) end
return 1
"""
COPY = """
local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('HSET', KEYS[2], unpack(fields))
return 1
"""


class Queue(Base):
    claim = complete = None  # type: ignore[assignment]  # it has no leases
    enqueue_script = ENQUEUE

    def get_job(self, job_id: str, workspace_id: str | None = None) -> dict[str, Any] | None:
        job = decoded(self.redis.hgetall("ai:jobs:" + job_id))
        return job if job and workspace_id in (None, job["workspace_id"]) else None

    def dequeue(self) -> Any:
        return self.redis.lpop("ai:queue:pending")

    def backfill(self) -> int:
        keys = sorted(self.redis.scan_iter("ai:jobs:*"))
        for key in keys:
            job_id, workspace_id = self.redis.hmget(key, "job_id", "workspace_id")
            self.redis.eval(COPY, 2, key, f"ai:job:{workspace_id}:{job_id}")
        return len(keys)
