"""Queues in which every job waits before a worker gets it: sound ones, and one that loses a job on its way.

A job is in a set by the time at which it is due. Periodic work, or each claim, moves what is due to the waiting list.
"""

from __future__ import annotations

import time
from typing import Any

from midpipe.scenarios.flaws.failing import LeasingQueue
from midpipe.scenarios.flaws.workers import DELAYED, PROMOTE, WAITING


class DelayingQueue(LeasingQueue):
    """The sound one: its periodic work moves a job to the waiting list soon after the enqueue."""

    delay_s = 0.2

    def enqueue(self, job_id: str) -> None:
        """Add a job that is due after the delay."""
        self.redis.zadd(DELAYED, {job_id: time.time() + self.delay_s})

    def tick(self) -> None:
        """Put the jobs back whose lease has ended, and move those on that are due."""
        super().tick()
        self.promote()

    def promote(self) -> None:
        """Move what is due to the waiting list."""
        self.redis.eval(PROMOTE, 2, DELAYED, WAITING, time.time())


class PromotesByClaim(DelayingQueue):
    """Sound as well: each claim moves on what is due."""

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        self.promote()
        return super().claim(worker_id, lease_s)


class RemovesBeforeItPushes(DelayingQueue):
    """Takes a job that is due out of its set before it puts the job into the waiting list."""

    def promote(self) -> None:
        for job_id in self.redis.zrangebyscore(DELAYED, "-inf", time.time()):
            if self.redis.zrem(DELAYED, job_id):
                self.redis.rpush(WAITING, job_id)
