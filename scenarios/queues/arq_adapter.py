"""arq under the contract: its own pool, its worker in burst mode."""

from __future__ import annotations

import asyncio
from typing import Any

import midpipe_job
from arq.connections import ArqRedis
from arq.worker import Worker, func

JOB_TIMEOUT_S = 1
_SETTLES_WITHIN_S = 1.0


class Queue:
    """The library with its defaults, but for the time-out of a job."""

    def __init__(self, url: str) -> None:
        self.redis = ArqRedis.from_url(url)

    async def enqueue(self, job_id: str, payload: Any = None) -> bool:
        """Enqueue a job under its id; False if it is known already."""
        return await self.redis.enqueue_job("run", job_id, payload, _job_id=job_id) is not None

    async def work(self, jobs: int = 1) -> None:
        """Run the library's worker until it has run so many jobs, the queue is empty, or it gets none."""
        functions = [func(midpipe_job.run_in, name="run", timeout=JOB_TIMEOUT_S)]
        options = {"burst": True, "max_burst_jobs": jobs, "handle_signals": False}
        worker = Worker(functions, redis_pool=self.redis, poll_delay=0.05, **options)
        running = asyncio.ensure_future(worker.async_run())
        while not running.done():
            await asyncio.wait({running}, timeout=_SETTLES_WITHIN_S)
            if not running.done() and not worker.tasks:
                running.cancel()
        if not running.cancelled():
            running.result()
