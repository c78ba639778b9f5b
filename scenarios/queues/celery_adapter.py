"""Celery under the contract: its Redis broker, and its worker with the solo pool."""

from __future__ import annotations

import importlib
import threading
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import celery
import midpipe_job
from celery.signals import task_postrun, worker_ready
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

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        # kombu takes the time-outs as transport options, not from the URL.
        options = {name: float(value) for name, value in parse_qsl(parts.query)}
        options["visibility_timeout"] = VISIBILITY_TIMEOUT_S
        options.update(unacked_restore_interval=1, unacked_restore_throttle=1)
        self.app = celery.Celery("midpipe", broker=urlunsplit(parts._replace(query="")))
        self.app.conf.update(broker_transport_options=options, task_ignore_result=True)
        self.app.set_default()
        self.task = self.app.task(midpipe_job.run, name="run")

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Send a task for the job."""
        self.task.delay(job_id, payload)

    def work(self, jobs: int = 1) -> None:
        """Run the library's worker until it has run so many tasks or gets none."""
        left = [jobs]

        def stop() -> None:
            state.should_stop = 0

        def count(**_: Any) -> None:
            left[0] -= 1
            if not left[0]:
                stop()

        def idle(**_: Any) -> None:
            timers.append(threading.Timer(_IDLE_S * jobs, stop))
            timers[-1].start()

        state.should_stop = None
        timers = [threading.Timer(_LONGEST_S, stop)]
        timers[0].start()
        task_postrun.connect(count)
        worker_ready.connect(idle)
        quiet = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        try:
            self.app.WorkController(pool="solo", concurrency=1, **quiet).start()
        finally:
            task_postrun.disconnect(count)
            worker_ready.disconnect(idle)
            for timer in timers:
                timer.cancel()
