"""huey under the contract: a task that runs the job's body, taken and executed as the consumer does."""

from __future__ import annotations

from typing import Any

import huey
import midpipe_job
import redis


class Queue:
    """The library with its defaults."""

    def __init__(self, url: str) -> None:
        pool = redis.ConnectionPool.from_url(url)
        self.huey = huey.RedisHuey("midpipe", connection_pool=pool, blocking=False)
        self.task = self.huey.task()(midpipe_job.run)

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Enqueue a task for the job."""
        self.task(job_id, payload)

    def work(self, jobs: int = 1) -> None:
        """Take up to so many tasks and execute them."""
        for _ in range(jobs):
            task = self.huey.dequeue()
            if task is None:
                return
            self.huey.execute(task)
