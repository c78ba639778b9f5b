"""A worker whose lease has ended removes the new holder's lease: if that one dies, the job is running for ever."""

from __future__ import annotations

from typing import Any

from tests.data.queues.base import Base


class Queue(Base):
    def complete(
        self, job_id: str, workspace_id: str, lease_token: str, result: Any = None
    ) -> bool:
        done = super().complete(job_id, workspace_id, lease_token, result)
        self.redis.zrem("small:active", job_id)
        return done
