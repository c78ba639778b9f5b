"""arq under the contract with a worker that lasts: it is started once and serves every call of ``work``.

Hosted by the interpreter of an environment with one release of arq; imports nothing of midpipe's but the job's body.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar
from urllib.parse import urlsplit

import midpipe_job
from arq.connections import RedisSettings, create_pool
from arq.worker import Worker, func

_WAITS_FOR_S = 2.0


class Queue:
    """The library with its defaults; a worker that ends is not started again."""

    promises: ClassVar = {"delivery": "at-least-once", "deduplicates": "job"}

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.settings = RedisSettings(host=parts.hostname or "", port=parts.port or 0)
        self.pool: Any = None
        self.running: Any = None
        self.executed = asyncio.Semaphore(0)

    async def enqueue(self, job_id: str, payload: Any = None) -> bool:
        """Enqueue a job under its id; False if it is known already."""
        if self.pool is None:
            self.pool = await create_pool(self.settings)
        return await self.pool.enqueue_job("run", job_id, payload, _job_id=job_id) is not None

    async def work(self, jobs: int = 1) -> None:
        """Start the worker if that was not done yet, and wait until it has run so many jobs, or for a while."""
        if self.running is None:
            worker = Worker(
                [func(self._run, name="run")],
                redis_settings=self.settings,
                poll_delay=0.05,
                handle_signals=False,
            )
            self.running = asyncio.ensure_future(worker.async_run())
        for _ in range(jobs):
            executed = asyncio.ensure_future(self.executed.acquire())
            await asyncio.wait({executed}, timeout=_WAITS_FOR_S)
            if not executed.done():
                executed.cancel()
                return

    async def _run(self, _context: Any, job_id: str, payload: Any) -> Any:
        try:
            return midpipe_job.run(job_id, payload)
        finally:
            self.executed.release()
