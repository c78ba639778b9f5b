"""A dequeue reads the first job and then removes it: two clients take the same one."""

from __future__ import annotations

from typing import Any

from tests.data.queues.sound.pops import Pops


class Queue(Pops):
    def dequeue(self) -> Any:
        job_id = self.redis.lindex("small:waiting", 0)
        if job_id is not None:
            self.redis.lrem("small:waiting", 1, job_id)
        return job_id
