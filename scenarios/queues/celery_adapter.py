"""Celery under the contract: its Redis broker, and its worker with the solo pool."""

from __future__ import annotations

import importlib
import threading
from typing import Any, ClassVar

import celery
import midpipe_job
from celery.signals import worker_ready
from celery.worker import state

# Celery imports these when it first needs them, which takes longer than a case; a case forks its process after this.
for _name in (
    *(f"app.{part}" for part in ("amqp", "builtins", "control", "events", "trace")),
    *("concurrency.solo", "events.dispatcher", "events.receiver", "fixups.django", "loaders.app"),
    *("worker.autoscale", "worker.components", "worker.consumer", "worker.control"),
    *("worker.pidbox", "worker.strategy"),
):
    importlib.import_module(f"celery.{_name}")
importlib.import_module("kombu.transport.redis")

VISIBILITY_TIMEOUT_S = 1
_IDLE_S, _LONGEST_S = 1.2, 3.5


class Queue:
    """The library with its defaults (a task is acknowledged before it runs), but for how soon it restores tasks."""

    settings: ClassVar[dict[str, Any]] = {}

    def __init__(self, plain_url: str, socket_timeout_s: float, connect_timeout_s: float) -> None:
        # kombu takes the time-outs as transport options, not from the URL.
        time_outs = {
            "socket_timeout": socket_timeout_s,
            "socket_connect_timeout": connect_timeout_s,
        }
        options = {**time_outs, "visibility_timeout": VISIBILITY_TIMEOUT_S}
        options.update(unacked_restore_interval=1, unacked_restore_throttle=1)
        self.app = celery.Celery("midpipe", broker=plain_url)
        self.app.conf.update(
            broker_transport_options=options, task_ignore_result=True, **self.settings
        )
        self.app.set_default()
        self.task = self.app.task(midpipe_job.run, name="run")

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Send a task for the job."""
        self.task.delay(job_id, payload)

    def work(self, jobs: int = 1) -> None:
        """Run the library's worker until it has run so many tasks or gets none."""
        runs = midpipe_job.Runs()

        def stop() -> None:
            state.should_stop = 0

        def stop_when_idle() -> None:
            runs.wait(jobs, _IDLE_S)
            stop()

        def watch(**_: Any) -> None:
            threading.Thread(target=stop_when_idle, daemon=True).start()

        state.should_stop = None
        longest = threading.Timer(_LONGEST_S, stop)
        longest.start()
        worker_ready.connect(watch)
        quiet = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        try:
            self.app.WorkController(pool="solo", concurrency=1, **quiet).start()
        finally:
            worker_ready.disconnect(watch)
            longest.cancel()


class SafeQueue(Queue):
    """A task is acknowledged after it has run, so that one whose worker dies is redelivered."""

    settings: ClassVar[dict[str, Any]] = {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
    }
