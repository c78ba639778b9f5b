"""streaq under the contract: its worker in burst mode, on Redis streams."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import midpipe_job
import streaq

IDLE_TIMEOUT_S = 1


async def _run(job_id: str, payload: Any) -> Any:
    return midpipe_job.run(job_id, payload)


class Queue:
    """The library with its defaults, but for how soon it takes over idle tasks."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        # coredis ignores the time-outs in the URL.
        asked = parse_qs(parts.query)
        self.url = urlunsplit(parts._replace(query=""))
        self.time_outs = {
            "stream_timeout": float(asked["socket_timeout"][0]),
            "connect_timeout": float(asked["socket_connect_timeout"][0]),
        }

    def _worker(self, jobs: int = 1) -> Any:
        return streaq.Worker(
            self.url,
            redis_kwargs=dict(self.time_outs),
            idle_timeout=IDLE_TIMEOUT_S,
            concurrency=jobs,
            handle_signals=False,
        )

    async def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Enqueue a task for the job."""
        worker = self._worker()
        task = worker.task(_run, name="run")
        async with worker:
            await task.enqueue(job_id, payload)

    async def work(self, jobs: int = 1) -> None:
        """Run the library's worker until the queue is empty."""
        worker = self._worker(jobs)
        worker.task(_run, name="run")
        worker.burst = True
        await worker.run_async()
