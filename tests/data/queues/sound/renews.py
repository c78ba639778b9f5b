"""A worker may renew a lease that has ended, as long as no other one has taken the job."""

from __future__ import annotations

from tests.data.queues.base import HEAD, Base

RENEW = (
    HEAD
    + """
if get(ARGV[1], 'lease_token') ~= ARGV[2] or get(ARGV[1], 'status') ~= 'running' then return 0 end
redis.call('ZADD', 'small:active', now() + ARGV[3], ARGV[1])
return 1
"""
)


class Queue(Base):
    def heartbeat(self, job_id: str, lease_token: str, lease_s: float = 30.0) -> bool:
        words = (job_id, lease_token, int(lease_s * 1000))
        return bool(self.redis.eval(RENEW, 0, *words) == 1)


class CannotBeRead(Queue):
    get_job = None  # type: ignore[assignment]  # what becomes of a job shows in the claims alone


class Forgets(CannotBeRead):
    """Flawed: a renewed lease is noted nowhere, so that no claim finds its end."""

    def heartbeat(self, job_id: str, lease_token: str, lease_s: float = 30.0) -> bool:
        renewed = super().heartbeat(job_id, lease_token, lease_s)
        self.redis.zrem("small:active", job_id)
        return renewed
