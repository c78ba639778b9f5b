"""The queues of ``redis_py_lists.py`` over the asyncio client of redis-py, or of valkey-py.

Hosted by the interpreter of an environment with one release of either; imports nothing of midpipe's. The variable
``MIDPIPE_CONSTRUCTOR`` chooses how the client is made.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
from typing import Any, ClassVar
from urllib.parse import urlsplit

BLOCKS_FOR_S = 1
_MODULE, _CLASS = ("redis", "Redis") if importlib.util.find_spec("redis") else ("valkey", "Valkey")
Redis: Any = getattr(importlib.import_module(f"{_MODULE}.asyncio"), _CLASS)


def _client(url: str) -> Any:
    """Return a client, made by the constructor that the environment names, with that constructor's defaults."""
    parts = urlsplit(url)
    plain = f"{parts.scheme}://{parts.netloc}"
    if os.environ.get("MIDPIPE_CONSTRUCTOR") == "Sentinel":
        asked = (each.split(":") for each in os.environ["MIDPIPE_SENTINELS"].split(","))
        sentinel = importlib.import_module(f"{_MODULE}.asyncio.sentinel")
        return sentinel.Sentinel(list(asked)).master_for("midpipe")
    if os.environ.get("MIDPIPE_CONSTRUCTOR") == "from_url":
        return Redis.from_url(plain)
    return Redis(host=parts.hostname or "", port=parts.port or 0)


class Push:
    """A list of job ids, with one RPUSH for each. Each job that is enqueued must be handed out once."""

    promises: ClassVar = {"delivery": "at-most-once", "deduplicates": "none"}

    def __init__(self, url: str) -> None:
        self.redis = _client(url)

    async def enqueue(self, job_id: str) -> None:
        """Put a job into the list."""
        await self.redis.rpush("jobs", job_id)

    async def dequeue(self) -> str | None:
        """Take the first job."""
        job_id = await self.redis.lpop("jobs")
        return None if job_id is None else job_id.decode()

    async def idle(self) -> None:
        """Let the event loop run, as it does in a program that waits: it learns that a connection was closed."""
        await asyncio.sleep(0.1)


class Pipeline(Push):
    """A pipeline without MULTI."""

    async def enqueue(self, job_id: str) -> None:
        """Count the job and put it into the list, in one write."""
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.incr("count")
        pipeline.rpush("jobs", job_id)
        await pipeline.execute()


class Transaction(Push):
    """MULTI … EXEC."""

    async def enqueue(self, job_id: str) -> None:
        """Count the job and put it into the list, in one transaction."""
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.incr("count")
        pipeline.rpush("jobs", job_id)
        await pipeline.execute()


class Watch(Push):
    """``Redis.transaction``, which watches a key and starts again if it has changed."""

    async def enqueue(self, job_id: str) -> None:
        """Put the job into the list if the version has not changed meanwhile."""

        async def change(pipeline: Any) -> None:
            version = int(await pipeline.get("version") or 0)
            pipeline.multi()
            pipeline.set("version", version + 1)
            pipeline.rpush("jobs", job_id)

        await self.redis.transaction(change, "version")


class BlockingPop(Push):
    """BLPOP."""

    async def dequeue(self) -> str | None:
        """Take the first job, and wait a little for it."""
        found = await self.redis.blpop("jobs", timeout=BLOCKS_FOR_S)
        return None if found is None else found[1].decode()


class Publish:
    """PUBLISH. A message is not kept, so it counts how often the server ran the command."""

    promises: ClassVar = {"delivery": "at-most-once", "deduplicates": "none"}

    def __init__(self, url: str) -> None:
        self.redis = _client(url)
        self.subscription: Any = None

    async def enqueue(self, job_id: str) -> None:
        """Publish a job id."""
        await self.redis.publish("jobs", job_id)


class Receive(Publish):
    """A subscriber."""

    async def dequeue(self) -> str | None:
        """Return the next job id; for any other message its type, such as ``subscribe``; None if none arrives."""
        if self.subscription is None:
            self.subscription = self.redis.pubsub()
            await self.subscription.subscribe("jobs")
        message = await self.subscription.get_message(timeout=BLOCKS_FOR_S)
        if message is None:
            return None
        kind: str = message["type"]
        return str(message["data"], "utf-8") if kind == "message" else kind
