"""taskiq-redis under the contract with a worker that lasts: it is started once and serves every call of ``work``.

Hosted by the interpreter of an environment with one release; imports nothing of midpipe's but the job's body.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import midpipe_job
from taskiq.receiver import Receiver
from taskiq_redis import ListQueueBroker

_WAITS_FOR_S = 2.0


class Queue:
    """The list broker; a receiver that ends is not started again."""

    promises: ClassVar = {"delivery": "at-most-once", "after_crash": "lost"}

    def __init__(self, url: str) -> None:
        self.broker = ListQueueBroker(url)
        self.executed = asyncio.Semaphore(0)
        self.has_started = False
        self.running: Any = None

        def run(job_id: str, payload: Any) -> Any:
            try:
                return midpipe_job.run(job_id, payload)
            finally:
                self.executed.release()

        self.task = self.broker.task(task_name="run")(run)

    async def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Send a message for the job."""
        await self._start()
        await self.task.kiq(job_id, payload)

    async def work(self, jobs: int = 1) -> None:
        """Start the receiver if that was not done yet, and wait until it has run so many jobs, or for a while."""
        await self._start()
        if self.running is None:
            receiver = Receiver(self.broker, max_async_tasks=1, run_startup=False)
            self.running = asyncio.ensure_future(receiver.listen(asyncio.Event()))
        for _ in range(jobs):
            executed = asyncio.ensure_future(self.executed.acquire())
            await asyncio.wait({executed}, timeout=_WAITS_FOR_S)
            if not executed.done():
                executed.cancel()
                return

    async def _start(self) -> None:
        if not self.has_started:
            await self.broker.startup()
            self.has_started = True
