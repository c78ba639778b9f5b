"""rq under the contract: its own queue, its SimpleWorker in burst mode, its maintenance as the periodic work."""

from __future__ import annotations

from typing import Any

import midpipe_job
import redis
import rq
from rq.exceptions import NoSuchJobError


class Queue:
    """The library with its defaults: no retry, so a dead worker's job is marked failed."""

    retry: rq.Retry | None = None

    def __init__(self, url: str) -> None:
        self.connection = redis.Redis.from_url(url)
        self.queue = rq.Queue("midpipe", connection=self.connection)

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Enqueue a job under its id."""
        options = {"job_id": job_id, "retry": self.retry}
        self.queue.enqueue_call(midpipe_job.run, args=(job_id, payload), **options)

    def work(self, jobs: int = 1) -> None:
        """Run the library's worker until it has run so many jobs or the queue is empty."""
        worker = rq.SimpleWorker([self.queue], connection=self.connection)
        worker.work(burst=True, max_jobs=jobs, logging_level="CRITICAL")

    def tick(self) -> None:
        """Do the maintenance that a worker does every ten minutes."""
        rq.SimpleWorker([self.queue], connection=self.connection).run_maintenance_tasks()

    def get_job(self, job_id: str) -> dict[str, Any] | None:
        """Return the job with its status."""
        try:
            job = rq.job.Job.fetch(job_id, connection=self.connection)
        except NoSuchJobError:
            return None
        return {"job_id": job.id, "status": midpipe_job.status_of(job.get_status(refresh=False))}

    def close(self) -> None:
        """Close the connections, which the worker's signal handlers would keep."""
        self.connection.close()


class SafeQueue(Queue):
    """With retries, so that a dead worker's job is enqueued again."""

    retry = rq.Retry(max=3)
