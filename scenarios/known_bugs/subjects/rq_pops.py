"""rq under the contract with one retry, so that a job whose worker dies reruns, and with maintenance that acts at once.

Hosted by the interpreter of an environment with one release of rq; imports nothing of midpipe's but the job's body.
"""

from __future__ import annotations

from typing import Any, ClassVar

import midpipe_job
import redis
import rq

try:
    from rq.intermediate_queue import IntermediateQueue
except ImportError:
    # A release that moves no job to an intermediate queue.
    pass
else:

    def _has_been_seen(queue: Any, job_id: str) -> bool:
        """Whether maintenance has seen the job before. rq waits for a minute more, which no case can wait for."""
        return queue.get_first_seen(job_id) is not None

    IntermediateQueue.should_be_cleaned_up = _has_been_seen


class OneQueue:
    """A worker of one queue."""

    promises: ClassVar = {
        "delivery": "at-least-once",
        "after_crash": "reruns",
        "recovers_within_s": 2.0,
    }
    names: tuple[str, ...] = ("midpipe",)

    def __init__(self, url: str) -> None:
        self.connection = redis.Redis.from_url(url)
        self.queues = [rq.Queue(name, connection=self.connection) for name in self.names]

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Enqueue a job that is tried again once."""
        arguments = (job_id, payload)
        self.queues[0].enqueue_call(
            midpipe_job.run, args=arguments, job_id=job_id, retry=rq.Retry(max=1)
        )

    def work(self, jobs: int = 1) -> None:
        """Run the library's worker until it has run so many jobs or its queues are empty."""
        worker = rq.SimpleWorker(self.queues, connection=self.connection)
        worker.work(burst=True, max_jobs=jobs, logging_level="CRITICAL")

    def tick(self) -> None:
        """Do the maintenance that a worker does every ten minutes."""
        rq.SimpleWorker(self.queues, connection=self.connection).run_maintenance_tasks()


class TwoQueues(OneQueue):
    """A worker of two queues."""

    names = ("midpipe", "midpipe-low")
