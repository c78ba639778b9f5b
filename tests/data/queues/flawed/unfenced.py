"""Queues that choose the length of a lease themselves, whatever a worker asks for.

``Queue`` compares the lease token and then writes in a second step, so that a worker which is stopped in between
finishes a job that another worker has finished. The others differ in what shows the length of the lease.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from tests.data.queues.base import Base


class Fixed(Base):
    """Sound: it compares the lease token in the step that finishes the job. Nothing shows how long its lease is."""

    lasts_s: ClassVar[int] = 45

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        return super().claim(worker_id, self.lasts_s)


class Queue(Fixed):
    def complete(
        self, job_id: str, workspace_id: str, lease_token: str, result: Any = None
    ) -> bool:
        if self.redis.hget(f"small:job:{job_id}", "lease_token") != lease_token:
            return False
        finished = {"status": "completed", "result": json.dumps(result)}
        with self.redis.pipeline() as block:
            block.hset(f"small:job:{job_id}", mapping=finished)
            block.zrem("small:active", job_id)
            block.execute()
        return True


class FixedExpires(Fixed):
    """Sound; a key beside the job expires with the lease."""

    lasts_s: ClassVar[int] = 300

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        job = super().claim(worker_id)
        if job:
            self.redis.set(f"small:held:{job['job_id']}", worker_id, ex=self.lasts_s)
        return job


class QueueExpires(FixedExpires, Queue):
    """Flawed as ``Queue``."""


class FixedPromised(Fixed):
    """Sound; a lease of ten minutes, which it promises."""

    lasts_s: ClassVar[int] = 600
    promises: ClassVar[dict[str, float]] = {"visibility_timeout_s": 600.0}


class QueuePromised(FixedPromised, Queue):
    """Flawed as ``Queue``."""


class FixedShort(Fixed):
    """Sound; a lease of one second, which it promises."""

    lasts_s: ClassVar[int] = 1
    promises: ClassVar[dict[str, float]] = {"visibility_timeout_s": 1.0}


class QueueShort(FixedShort, Queue):
    """Flawed as ``Queue``."""
