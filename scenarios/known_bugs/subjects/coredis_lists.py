"""The queues of ``redis_py_lists.py`` over coredis, from release 4 on.

Hosted by the interpreter of an environment with one release of coredis; imports nothing of midpipe's. The variable
``MIDPIPE_CONSTRUCTOR`` chooses how the client is made.
"""

from __future__ import annotations

import inspect
import os
from contextlib import AsyncExitStack
from typing import Any, ClassVar
from urllib.parse import urlsplit

import coredis

BLOCKS_FOR_S = 1


def _client(url: str) -> Any:
    """Return a client, made by the constructor that the environment names, with that constructor's defaults."""
    parts = urlsplit(url)
    if os.environ.get("MIDPIPE_CONSTRUCTOR") == "from_url":
        return coredis.Redis.from_url(f"{parts.scheme}://{parts.netloc}")
    return coredis.Redis(host=parts.hostname or "", port=parts.port or 0)


class Push:
    """A list of job ids, with one RPUSH for each. Each job that is enqueued must be handed out once."""

    promises: ClassVar = {"delivery": "at-most-once", "deduplicates": "none"}

    def __init__(self, url: str) -> None:
        self.client = _client(url)
        self.opened: Any = None

    async def redis(self) -> Any:
        """Return the client, which must be opened before its first use from release 6 on."""
        if self.opened is None:
            self.opened = self.client
            if hasattr(self.client, "__aenter__"):
                await self.client.__aenter__()
        return self.opened

    async def enqueue(self, job_id: str) -> None:
        """Put a job into the list."""
        await (await self.redis()).rpush("jobs", [job_id])

    async def dequeue(self) -> str | None:
        """Take the first job."""
        job_id = await (await self.redis()).lpop("jobs")
        return None if job_id is None else job_id.decode()


class Pipeline(Push):
    """A pipeline without MULTI."""

    is_transaction = False

    async def enqueue(self, job_id: str) -> None:
        """Count the job and put it into the list, in one write."""
        pipeline: Any = (await self.redis()).pipeline(transaction=self.is_transaction)
        async with AsyncExitStack() as stack:
            if inspect.isawaitable(pipeline):
                pipeline = await pipeline
            pipeline = await stack.enter_async_context(pipeline)
            for queued in (pipeline.incr("count"), pipeline.rpush("jobs", [job_id])):
                # Release 4 queues a command when it is awaited, later ones when it is called.
                if inspect.iscoroutine(queued):
                    await queued
            # From release 6 on it is executed at the end of the block.
            if hasattr(pipeline, "execute"):
                await pipeline.execute()


class Transaction(Pipeline):
    """MULTI … EXEC."""

    is_transaction = True


class BlockingPop(Push):
    """BLPOP."""

    async def dequeue(self) -> str | None:
        """Take the first job, and wait a little for it."""
        found = await (await self.redis()).blpop(["jobs"], timeout=BLOCKS_FOR_S)
        return None if found is None else found[1].decode()
