"""saq under the contract with two attempts for each job, so that a job whose worker dies may be retried.

Hosted by the interpreter of an environment with one release of saq; imports nothing of midpipe's but the job's body.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import midpipe_job
import saq

HEARTBEAT_S = 1
_ABORTS_WITHIN_S = 0.2


async def _run(_context: Any, *, job_id: str, payload: Any) -> Any:
    return midpipe_job.run(job_id, payload)


class Queue:
    """The library with ``retries=2``: its first attempt and another one."""

    promises: ClassVar = {
        "delivery": "at-least-once",
        "after_crash": "reruns",
        "deduplicates": "job",
        "recovers_within_s": 4.0,
    }

    def __init__(self, url: str) -> None:
        self.queue = saq.Queue.from_url(url)

    async def enqueue(self, job_id: str, payload: Any = None) -> bool:
        """Enqueue a job under its id as its key; False if it is known and not done."""
        options = {"key": job_id, "heartbeat": HEARTBEAT_S, "retries": 2}
        job = await self.queue.enqueue("run", **options, job_id=job_id, payload=payload)
        return job is not None

    async def work(self, jobs: int = 1) -> None:
        """Let the library's worker process so many jobs, or until it gets none."""
        worker = saq.Worker(self.queue, functions=[("run", _run)], dequeue_timeout=0.05)
        for _ in range(jobs):
            if not await worker.process():
                return

    async def tick(self) -> None:
        """Do what the worker does every second and every minute."""
        await self.queue.schedule(lock=1)
        takes = inspect.signature(self.queue.sweep).parameters
        await self.queue.sweep(lock=1, **({"abort": _ABORTS_WITHIN_S} if "abort" in takes else {}))
