"""A job's lease is a lock with a TTL, and a worker that has ended deletes the lock, whose it is or not."""

from __future__ import annotations

from typing import Any

from tests.data.queues.base import HEAD, Base, decoded

LOCKED = HEAD + "local function lock(id) return 'small:lock:' .. id end\n"
CLAIM = (
    LOCKED
    + """
for _, id in ipairs(redis.call('LRANGE', 'small:waiting', 0, -1)) do
  if redis.call('EXISTS', lock(id)) == 0 then
    local token = redis.call('INCR', 'small:tokens')
    redis.call('SET', lock(id), token, 'PX', math.max(1, ARGV[1]))
    redis.call('HSET', job(id), 'status', 'running', 'lease_token', token)
    return redis.call('HGETALL', job(id))
  end
end
return {}
"""
)
COMPLETE = (
    LOCKED
    + """
if get(ARGV[1], 'workspace_id') ~= ARGV[2] then return 0 end
if get(ARGV[1], 'status') == 'completed' then return get(ARGV[1], 'lease_token') == ARGV[3] and 1 or 0 end
if redis.call('GET', lock(ARGV[1])) ~= ARGV[3] then return 0 end
redis.call('HSET', job(ARGV[1]), 'status', 'completed', 'result', ARGV[4])
redis.call('LREM', 'small:waiting', 0, ARGV[1])
redis.call('DEL', lock(ARGV[1]))
return 1
"""
)


class Fixed(Base):
    """The script deletes the lock, and only its holder's."""

    complete_script = COMPLETE

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        words = self.redis.eval(CLAIM, 0, int(lease_s * 1000))
        return decoded(dict(zip(words[::2], words[1::2], strict=True)))


class Queue(Fixed):
    def complete(
        self, job_id: str, workspace_id: str, lease_token: str, result: Any = None
    ) -> bool:
        done = super().complete(job_id, workspace_id, lease_token, result)
        self.redis.delete(f"small:lock:{job_id}")
        return done
