"""streaq under the contract: its worker in burst mode, on Redis streams."""

from __future__ import annotations

from typing import Any

import midpipe_job
import streaq

IDLE_TIMEOUT_S = 1


async def _run(job_id: str, payload: Any) -> Any:
    return midpipe_job.run(job_id, payload)


class Queue:
    """The library with its defaults, but for how soon it takes over idle tasks."""

    def __init__(self, plain_url: str, socket_timeout_s: float, connect_timeout_s: float) -> None:
        self.url = plain_url
        # coredis ignores the time-outs in the URL.
        self.time_outs = {"stream_timeout": socket_timeout_s, "connect_timeout": connect_timeout_s}

    def _worker(self, jobs: int = 1) -> Any:
        options = {"idle_timeout": IDLE_TIMEOUT_S, "concurrency": jobs, "handle_signals": False}
        return streaq.Worker(self.url, redis_kwargs=dict(self.time_outs), **options)

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
