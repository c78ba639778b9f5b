"""huey under the contract with delays: its scheduler moves what is due from the schedule to the queue.

Hosted by the interpreter of an environment with one release of huey; imports nothing of midpipe's but the job's body.
"""

from __future__ import annotations

import threading
import time
from typing import Any, ClassVar

import huey
import midpipe_job
import redis
from huey.consumer import Scheduler

_AT_LEAST_S = 2.0
"""A shorter delay could end before the worker has put the task into the schedule."""


class Queue:
    """The library with its defaults. A task that waits in the schedule is not running, so it must not get lost."""

    promises: ClassVar = {"delivery": "at-least-once", "after_crash": "lost"}

    def __init__(self, url: str) -> None:
        pool = redis.ConnectionPool.from_url(url)
        self.huey = huey.RedisHuey("midpipe", connection_pool=pool, blocking=False)
        self.task = self.huey.task()(midpipe_job.run)

    def enqueue(self, job_id: str, payload: Any = None, delay_s: float = 0.0) -> None:
        """Enqueue a task for the job; the worker that takes it before its time puts it into the schedule."""
        if delay_s:
            self.task.schedule((job_id, payload), delay=max(delay_s, _AT_LEAST_S))
        else:
            self.task(job_id, payload)

    def work(self, jobs: int = 1) -> None:
        """Take up to so many tasks and execute them."""
        for _ in range(jobs):
            task = self.huey.dequeue()
            if task is None:
                return
            self.huey.execute(task)

    def tick(self) -> None:
        """Wait until what was delayed is due, and do what the consumer's scheduler does every second."""
        time.sleep(_AT_LEAST_S)
        stop = threading.Event()
        stop.set()  # it does not wait for its next turn
        Scheduler(self.huey, stop, interval=1, periodic=False).loop()
