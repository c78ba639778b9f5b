"""taskiq-redis under the contract: its list broker and its stream broker, each with taskiq's receiver."""

from __future__ import annotations

import asyncio
from typing import Any

import midpipe_job
import taskiq
from taskiq.receiver import Receiver
from taskiq_redis import ListQueueBroker, RedisStreamBroker

_FIRST_JOB_WITHIN_S = 1.0


class _Count(taskiq.TaskiqMiddleware):  # type: ignore[misc]  # the library is not installed here
    def __init__(self) -> None:
        super().__init__()
        self.executed = asyncio.Semaphore(0)

    def post_save(self, message: Any, result: Any) -> None:
        self.executed.release()


class _Queue:
    broker: taskiq.AsyncBroker

    def __init__(self, url: str) -> None:
        self.broker = self.broker_at(url)
        self.count = _Count()
        self.broker.add_middlewares(self.count)
        self.task = self.broker.task(task_name="run")(midpipe_job.run)
        self.has_started = False

    def broker_at(self, url: str) -> taskiq.AsyncBroker:
        raise NotImplementedError

    async def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Send a message for the job; the broker is started first, as the documentation says."""
        await self._start()
        await self.task.kiq(job_id, payload)

    async def work(self, jobs: int = 1) -> None:
        """Run the library's receiver until it has executed so many messages or gets none."""
        await self._start()
        receiver = Receiver(
            self.broker, max_async_tasks=1, run_startup=False, max_tasks_to_execute=jobs
        )
        finish = asyncio.Event()
        listening = asyncio.ensure_future(receiver.listen(finish))
        for _ in range(jobs):
            executed = asyncio.ensure_future(self.count.executed.acquire())
            await asyncio.wait(
                {listening, executed}, timeout=_FIRST_JOB_WITHIN_S, return_when="FIRST_COMPLETED"
            )
            if not executed.done():
                executed.cancel()
                break
        finish.set()
        await listening

    async def _start(self) -> None:
        if not self.has_started:
            await self.broker.startup()
            self.has_started = True


class ListQueue(_Queue):
    """The broker without acknowledgements."""

    def broker_at(self, url: str) -> taskiq.AsyncBroker:
        """Return the list broker."""
        return ListQueueBroker(url)


class StreamQueue(_Queue):
    """The broker with acknowledgements, but for how soon it takes over what was not acknowledged."""

    def broker_at(self, url: str) -> taskiq.AsyncBroker:
        """Return the stream broker."""
        return RedisStreamBroker(url, idle_timeout=500, xread_block=50, xread_count=1)
