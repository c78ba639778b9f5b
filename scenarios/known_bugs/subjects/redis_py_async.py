"""Small queues over the asyncio client of redis-py, whose caller bounds each read by a time-out of its own.

Hosted by the interpreter of an environment with one release of redis-py; imports nothing of midpipe's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import Redis


class Jobs:
    """Each job is one key. A read that takes too long is cancelled, and the connection is used again."""

    promises: ClassVar = {"deduplicates": "none", "retention": "keeps"}

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        parts = urlsplit(url)
        self.time_out_s = float(parse_qs(parts.query)["socket_timeout"][0])
        # The driver has no time-out; the caller cancels what takes too long, as web frameworks do.
        self.redis = Redis.from_url(parts._replace(query="").geturl())

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Write the job."""
        job = {"job_id": job_id, "status": "pending", "params": payload}
        self._run(self.redis.set(f"job:{job_id}", json.dumps(job)))

    def get_job(self, job_id: str) -> Any:
        """Read the job. Raises TimeoutError if the server takes too long."""
        text = self._run(asyncio.wait_for(self.read(f"job:{job_id}"), self.time_out_s))
        return None if text is None else json.loads(text)

    async def read(self, key: str) -> Any:
        """Read a key."""
        return await self.redis.get(key)

    def _run(self, call: Awaitable[Any]) -> Any:
        async def answer() -> Any:
            return await call

        return self.loop.run_until_complete(answer())


class PipelinedJobs(Jobs):
    """Each read is a pipeline."""

    async def read(self, key: str) -> Any:
        """Read a key by a pipeline of one command."""
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.get(key)
        return (await pipeline.execute())[0]
