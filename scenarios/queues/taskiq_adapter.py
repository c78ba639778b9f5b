"""taskiq-redis under the contract: its list broker and its stream broker, each with taskiq's receiver."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import midpipe_job
import taskiq_redis
from taskiq.receiver import Receiver

_FIRST_JOB_WITHIN_S = 1.0


class _Queue:
    def __init__(self, broker: Any) -> None:
        self.broker = broker
        self.task = broker.task(task_name="run")(midpipe_job.run)

    async def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Send a message for the job; the broker is started first, as the documentation says."""
        await self._start()
        await self.task.kiq(job_id, payload)

    async def work(self, jobs: int = 1) -> None:
        """Run the library's receiver until it has executed so many messages or gets none."""
        await self._start()
        options = {"max_async_tasks": 1, "run_startup": False, "max_tasks_to_execute": jobs}
        finish, loop = asyncio.Event(), asyncio.get_running_loop()
        stop = partial(loop.call_soon_threadsafe, finish.set)
        midpipe_job.Runs().stop_after(jobs, _FIRST_JOB_WITHIN_S, stop)
        await Receiver(self.broker, **options).listen(finish)

    async def _start(self) -> None:
        if not getattr(self, "has_started", False):
            await self.broker.startup()
            self.has_started = True


class ListQueue(_Queue):
    """The broker without acknowledgements."""

    def __init__(self, url: str) -> None:
        super().__init__(taskiq_redis.ListQueueBroker(url))


class StreamQueue(_Queue):
    """The broker with acknowledgements, but for how soon it takes over what was not acknowledged."""

    def __init__(self, url: str) -> None:
        knobs = {"idle_timeout": 500, "xread_block": 50, "xread_count": 1}
        super().__init__(taskiq_redis.RedisStreamBroker(url, **knobs))
