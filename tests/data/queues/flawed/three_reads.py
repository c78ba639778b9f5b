"""A job is a hash under the name of its status, and a read looks under each name in turn while the job moves on."""

from __future__ import annotations

import json
from typing import Any

from tests.data.queues.base import Base, decoded

PLACES = ("completed", "running", "pending", "failed")
ENQUEUE = """
for _, place in ipairs({'pending', 'running', 'completed', 'failed'}) do
  if redis.call('EXISTS', 'small:' .. place .. ':' .. ARGV[1]) == 1 then return 0 end
end
redis.call('HSET', 'small:pending:' .. ARGV[1], unpack(ARGV, 4))
return 1
"""
MOVE = """
for rank, place in ipairs({'pending', 'running', 'completed', 'failed'}) do
  local key = 'small:' .. place .. ':' .. ARGV[1]
  if redis.call('EXISTS', key) == 1 then
    if place == ARGV[2] or rank >= 3 then return 0 end
    redis.call('HSET', key, 'status', ARGV[2], 'result', ARGV[3])
    redis.call('RENAME', key, 'small:' .. ARGV[2] .. ':' .. ARGV[1])
    return 1
  end
end
return 0
"""


class Queue(Base):
    claim = complete = None  # type: ignore[assignment]  # its jobs are moved by update_status alone
    enqueue_script = ENQUEUE

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        if status not in PLACES:
            raise ValueError(f"{status!r} is no status")
        self.redis.eval(MOVE, 0, job_id, status, json.dumps(result))

    def get_job(self, job_id: str, workspace_id: str | None = None) -> dict[str, Any] | None:
        return decoded(next(filter(None, self.reads(job_id)), {}))

    def reads(self, job_id: str) -> Any:
        """Yield what stands under each name."""
        return (self.redis.hgetall(f"small:{place}:{job_id}") for place in PLACES)


class Fixed(Queue):
    """One transaction reads all names."""

    def reads(self, job_id: str) -> Any:
        with self.redis.pipeline(transaction=True) as block:
            for place in PLACES:
                block.hgetall(f"small:{place}:{job_id}")
            return block.execute()
