"""saq under the contract: its queue, its worker's ``process``, its scheduling and sweeping as the periodic work."""

from __future__ import annotations

from typing import Any

import midpipe_job
import saq
import saq.queue.redis  # before the fork of each case's process, not in it

HEARTBEAT_S = 1


class Queue:
    """The library with its defaults (one attempt, so a dead worker's job is aborted), but for the heartbeat."""

    attempts = 1

    def __init__(self, url: str) -> None:
        self.queue = saq.Queue.from_url(url)

    async def enqueue(self, job_id: str, payload: Any = None) -> bool:
        """Enqueue a job under its id as its key; False if it is known and not done."""
        options = {"key": job_id, "heartbeat": HEARTBEAT_S, "retries": self.attempts}
        arguments = {"job_id": job_id, "payload": payload}
        return await self.queue.enqueue("run", **options, **arguments) is not None

    async def work(self, jobs: int = 1) -> None:
        """Let the library's worker process so many jobs, or until it gets none."""
        functions = [("run", midpipe_job.run_in)]
        worker = saq.Worker(self.queue, functions=functions, dequeue_timeout=0.05)
        for _ in range(jobs):
            if not await worker.process():
                return

    async def tick(self) -> None:
        """Do what the worker does every second and every minute."""
        await self.queue.schedule(lock=1)
        await self.queue.sweep(lock=1, abort=0.2)

    async def get_job(self, job_id: str) -> dict[str, Any] | None:
        """Return the job with its status; an aborted job has failed."""
        job = await self.queue.job(job_id)
        return job and {"job_id": job_id, "status": midpipe_job.status_of(job.status)}


class SafeQueue(Queue):
    """With further attempts, so that a dead worker's job is retried."""

    attempts = 3
