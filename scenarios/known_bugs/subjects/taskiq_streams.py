"""taskiq-redis's stream broker under the contract, with a worker that runs one message after the other.

Hosted by the interpreter of an environment with one release; imports nothing of midpipe's but the job's body.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import midpipe_job
from taskiq.utils import maybe_awaitable
from taskiq_redis import RedisStreamBroker

_IDLE_S = 0.5
_IDLE_TIMEOUT_MS = 50


class Queue:
    """The broker with acknowledgements, but for how soon it takes over what was not acknowledged."""

    promises: ClassVar = {
        "delivery": "at-least-once",
        "after_crash": "reruns",
        "recovers_within_s": 4.0,
    }

    def __init__(self, url: str) -> None:
        knobs = {"idle_timeout": _IDLE_TIMEOUT_MS, "xread_block": 100, "xread_count": 1}
        self.broker = RedisStreamBroker(url, **knobs)
        self.task = self.broker.task(task_name="run")(midpipe_job.run)
        self.another = self.broker.task(task_name="another")(lambda: None)
        self.has_started = False
        self.messages: Any = None
        self.awaited: Any = None

    async def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Send a message for the job."""
        await self._start()
        await self.task.kiq(job_id, payload)

    async def tick(self) -> None:
        """Send another message: the broker takes over the unacknowledged ones only after it has read a new one."""
        await self._start()
        await self.another.kiq()

    async def work(self) -> None:
        """Run what the broker delivers until it has delivered nothing for a while; it goes on reading afterwards."""
        await self._start()
        if self.messages is None:
            self.messages = self.broker.listen()
        while True:
            if self.awaited is None:
                self.awaited = asyncio.ensure_future(anext(self.messages))
            await asyncio.wait({self.awaited}, timeout=_IDLE_S)
            if not self.awaited.done():
                return
            message, self.awaited = self.awaited.result(), None
            sent = self.broker.formatter.loads(message.data)
            if sent.task_name == "run":
                midpipe_job.run(*sent.args)
            await maybe_awaitable(message.ack())

    async def _start(self) -> None:
        if not self.has_started:
            await self.broker.startup()
            self.has_started = True
