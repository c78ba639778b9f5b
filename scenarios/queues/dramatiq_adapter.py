"""dramatiq under the contract: its Redis broker and its worker with one thread."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("dramatiq_restart_delay", "50")  # read when the library is imported

import dramatiq
import midpipe_job
from dramatiq.brokers.redis import RedisBroker

HEARTBEAT_TIMEOUT_MS = 1_000
_FIRST_JOB_WITHIN_S = 1.0


class Queue:
    """The library with its defaults, but for its heartbeat, and with maintenance at every command instead of some."""

    def __init__(self, url: str) -> None:
        knobs = {"maintenance_chance": 1_000_000, "heartbeat_timeout": HEARTBEAT_TIMEOUT_MS}
        self.broker = RedisBroker(url=url, **knobs)
        self.actor = dramatiq.actor(midpipe_job.run, broker=self.broker)

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Send a message for the job."""
        self.actor.send(job_id, payload)

    def work(self, jobs: int = 1) -> None:
        """Run the library's worker until it has processed so many messages or gets none."""
        runs = midpipe_job.Runs()
        worker = dramatiq.Worker(self.broker, worker_threads=1, worker_timeout=20)
        worker.start()
        runs.wait(jobs, _FIRST_JOB_WITHIN_S)
        worker.stop(timeout=2_000)
