"""Queues whose own worker runs the jobs: a sound one on two lists, and the same with one flaw each.

A job waits in one list, is moved to the list of running jobs, runs, and is removed from there. ``tick`` puts back what
a dead worker has left behind.
"""

from __future__ import annotations

import json
import time
from typing import Any, ClassVar

import redis

try:
    import midpipe_job
except ImportError:  # midpipe puts it on the path of the process in which a subject runs
    midpipe_job = None

WAITING, RUNNING, DELAYED = "shop:waiting", "shop:running", "shop:delayed"
PROMOTE = """
for _, text in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])) do
  redis.call('ZREM', KEYS[1], text)
  redis.call('RPUSH', KEYS[2], text)
end
"""
"""Moves what is due from a set by time to a list."""


class ListQueue:
    """The sound one."""

    promises: ClassVar = {"delivery": "at-least-once", "order": "none", "recovers_within_s": 0.1}

    def __init__(self, url: str) -> None:
        self.redis: Any = redis.Redis.from_url(url)

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Add a job at the end of the waiting list."""
        self.redis.rpush(WAITING, json.dumps([job_id, payload]))

    def work(self, jobs: int = 1) -> None:
        """Run up to so many of the waiting jobs."""
        for _ in range(jobs):
            text = self.take()
            if text is None:
                return
            self.run(text)

    def run(self, text: bytes) -> None:
        """Run a job that was taken."""
        job_id, payload = json.loads(text)
        midpipe_job.run(job_id, payload)
        self.redis.lrem(RUNNING, 1, text)

    def take(self) -> bytes | None:
        """Move the first waiting job to the running ones, and return it."""
        taken = self.redis.lmove(WAITING, RUNNING, "LEFT", "RIGHT")
        return bytes(taken) if taken is not None else None

    def tick(self) -> None:
        """Put back every running job: no worker runs while this does."""
        while self.redis.lmove(RUNNING, WAITING, "RIGHT", "LEFT"):
            pass


class PopsJobs(ListQueue):
    """Takes a job out of Redis before it runs, so a worker that dies takes the job with it."""

    def take(self) -> bytes | None:
        taken = self.redis.lpop(WAITING)
        return bytes(taken) if taken is not None else None


class NeverPutsBack(ListQueue):
    """Leaves a dead worker's job in the list of running jobs."""

    def tick(self) -> None:
        """Do nothing."""


class StopsAfterAnError(ListQueue):
    """Runs no further job once a command has failed."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.is_broken = False

    def work(self, jobs: int = 1) -> None:
        if self.is_broken:
            return
        try:
            super().work(jobs)
        except redis.RedisError:
            self.is_broken = True
            raise


class StopsWhenIdle(ListQueue):
    """Runs no further job once it has found none."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.has_stopped = False

    def take(self) -> bytes | None:
        taken = None if self.has_stopped else super().take()
        self.has_stopped = taken is None
        return taken


class RunsTheNewestFirst(ListQueue):
    """Promises to run jobs in order, and takes the one that came last."""

    promises: ClassVar = {**ListQueue.promises, "order": "fifo"}

    def take(self) -> bytes | None:
        taken = self.redis.lmove(WAITING, RUNNING, "RIGHT", "RIGHT")
        return bytes(taken) if taken is not None else None


class PushesBlindly(ListQueue):
    """Its driver sends a push again whose reply was lost, so one call puts the job in twice."""

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        text = json.dumps([job_id, payload])
        try:
            self.redis.rpush(WAITING, text)
        except redis.RedisError:
            self.redis.rpush(WAITING, text)


class DropsDeadWorkersJobs(ListQueue):
    """Its periodic work takes a dead worker's job for a finished one."""

    def tick(self) -> None:
        self.redis.delete(RUNNING)


_MOVE_NEXT = """
local due = redis.call('ZPOPMIN', KEYS[1])
if #due == 0 then return false end
if tonumber(due[2]) > tonumber(ARGV[1]) then return due end
redis.call('RPUSH', KEYS[2], due[1])
return {}
"""


class DelaysJobs(ListQueue):
    """Sound as well as it stands: a job with a delay is in a set, by the time at which it is due."""

    def enqueue(self, job_id: str, payload: Any = None, delay_s: float = 0.0) -> None:
        if delay_s:
            text = json.dumps([job_id, payload])
            self.redis.zadd(DELAYED, {text: time.time() + delay_s})
        else:
            super().enqueue(job_id, payload)

    def tick(self) -> None:
        super().tick()
        self.promote()

    def promote(self) -> None:
        """Move what is due to the waiting list."""
        self.redis.eval(PROMOTE, 2, DELAYED, WAITING, time.time())


class PromotesInTwoSteps(DelaysJobs):
    """Takes a delayed job out of its set before it puts the job into the waiting list."""

    def promote(self) -> None:
        for text in self.redis.zrange(DELAYED, 0, -1):
            if self.redis.zrem(DELAYED, text):
                self.redis.rpush(WAITING, text)


class PutsBackWhatIsNotDue(DelaysJobs):
    """Takes the next delayed job out of its set, and puts one that is not due yet back in a step of its own."""

    def promote(self) -> None:
        while (taken := self.redis.eval(_MOVE_NEXT, 2, DELAYED, WAITING, time.time())) is not None:
            if taken:
                text, due_s = taken
                self.redis.zadd(DELAYED, {text: float(due_s)})
                return


class CancelsNothing(ListQueue):
    """cancel answers True for a job that a worker will still run."""

    def cancel(self, job_id: str) -> bool:
        """Say that the job is cancelled."""
        return bool(self.redis.llen(WAITING) + self.redis.llen(RUNNING)) and bool(job_id)
