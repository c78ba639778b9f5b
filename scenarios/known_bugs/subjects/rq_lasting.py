"""rq under the contract with a worker that lasts: it is started once and serves every call of ``work``.

Hosted by the interpreter of an environment with one release of rq; imports nothing of midpipe's but the job's body.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import midpipe_job
import redis
import rq
from rq.timeouts import BaseDeathPenalty

_WAITS_FOR_S = 2.5
_EXECUTED = threading.Semaphore(0)


def _run(job_id: str, payload: Any) -> Any:
    try:
        return midpipe_job.run(job_id, payload)
    finally:
        _EXECUTED.release()


class _NoDeathPenalty(BaseDeathPenalty):  # type: ignore[misc]  # the library is not installed here
    """No time-out for a job: that of the library is a signal, which only the main thread takes."""

    def setup_death_penalty(self) -> None:
        pass

    def cancel_death_penalty(self) -> None:
        pass


class _Worker(rq.SimpleWorker):  # type: ignore[misc]  # the library is not installed here
    """A worker that may run in a thread."""

    death_penalty_class = _NoDeathPenalty

    def _install_signal_handlers(self) -> None:
        pass


class Queue:
    """The library with its defaults; a worker that ends is not started again."""

    promises: ClassVar = {"delivery": "at-least-once", "after_crash": "fails"}

    def __init__(self, url: str) -> None:
        self.connection = redis.Redis.from_url(url.partition("?")[0])
        self.queue = rq.Queue("midpipe", connection=self.connection)
        self.thread: threading.Thread | None = None

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Enqueue a job under its id."""
        self.queue.enqueue_call(_run, args=(job_id, payload), job_id=job_id)

    def work(self, jobs: int = 1) -> None:
        """Start the worker if that was not done yet, and wait until it has run so many jobs, or for a while."""
        if self.thread is None:
            worker = _Worker([self.queue], connection=self.connection)
            self.thread = threading.Thread(
                target=worker.work, kwargs={"logging_level": "CRITICAL"}, daemon=True
            )
            self.thread.start()
        for _ in range(jobs):
            if not _EXECUTED.acquire(timeout=_WAITS_FOR_S):
                return
