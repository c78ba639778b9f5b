"""Celery under the contract: its Redis broker, and its worker with the solo pool."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import celery
import kombu
import midpipe_job
from celery.worker import state

_RESTORES = {"visibility_timeout": 1, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}
_ALONE = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
_IDLE_S = 3.0


class Queue:
    """The library with its defaults (a task is acknowledged before it runs), but for how soon it restores tasks."""

    settings: ClassVar[dict[str, Any]] = {}

    def __init__(self, plain_url: str, socket_timeout_s: float, connect_timeout_s: float) -> None:
        # kombu takes the time-outs as transport options, not from the URL.
        within = {"socket_timeout": socket_timeout_s, "socket_connect_timeout": connect_timeout_s}
        self.app = celery.Celery("midpipe", broker=plain_url)
        self.app.conf.update(self.settings, broker_transport_options={**within, **_RESTORES})
        self.app.conf.update(task_ignore_result=True, worker_enable_remote_control=False)
        self.app.set_default()
        self.task = self.app.task(midpipe_job.run, name="run")

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Send a task for the job."""
        self.task.delay(job_id, payload)

    def work(self, jobs: int = 1) -> None:
        """Run the library's worker until it has run so many tasks or gets none."""
        state.should_stop = None
        midpipe_job.Runs().stop_after(jobs, _IDLE_S, partial(setattr, state, "should_stop", 0))
        self.app.WorkController(pool="solo", concurrency=1, **_ALONE).start()

    def close(self) -> None:
        """Close the connections, and forget what the worker has noted of its tasks."""
        kombu.pools.reset()
        state.reset_state()


class SafeQueue(Queue):
    """A task is acknowledged after it has run, so that one whose worker dies is redelivered."""

    settings: ClassVar[dict[str, Any]] = {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
    }
