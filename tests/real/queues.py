"""The reference on a real server, with a proxy in between whose faults are placed by command."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from midpipe.faultinject.vocabulary import FaultRef
from midpipe.reference import Queue
from midpipe.reference.migration import Phase
from tests.real.conftest import Wire

JOB = {
    "action_provider": "mail",
    "action_name": "send",
    "params": {"to": "a@b"},
    "workspace_id": "acme",
    "actor_id": "u-1",
}

LEGACY = {
    "job_id": "job-0",
    "status": "pending",
    "action_provider": "mail",
    "action_name": "send",
    "params": "{}",
    "workspace_id": "acme",
    "actor_id": "u",
    "result": "",
    "enqueued_at": "2025-10-17T10:15:00+00:00",
}


class Unretrying(Queue):
    """The reference without the driver's retries, so that a single fault reaches the caller."""

    driver_retries = 0


def queue_on(driver: Any, phase: Phase = Phase.DUAL_READ_NEW, **more: Any) -> Queue:
    """Return a queue that no fault gets at."""
    return Queue(client=driver, phase=phase, **more)


class FaultyQueues:
    """Queues whose conversation with the server can be broken; serves the proxy in a thread."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self._queues: list[Queue] = []

    def queue(
        self,
        phase: Phase = Phase.DUAL_READ_NEW,
        *,
        fault: str = "",
        at: int = 1,
        kind: type[Queue] = Unretrying,
        **more: Any,
    ) -> Queue:
        """Return a queue; the fault happens to the ``at``-th command that is sent from now on, by any queue."""
        url = f"redis://127.0.0.1:{self._wire.listener.port}/0?socket_timeout=1&socket_connect_timeout=1"
        queue = kind(url, phase=phase, **more)
        self._queues.append(queue)
        if fault:
            director = self._wire.director
            director.planned = {(director.count + at, 0): FaultRef(fault)}
        return queue

    def close(self) -> None:
        for queue in self._queues:
            queue.close()
        self._stop.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._wire.loop.step(0.02)


def job(job_id: str = "job-1", **more: Any) -> Mapping[str, Any]:
    """Return the arguments of an enqueue."""
    return {"job_id": job_id, **JOB, **more}


def stored(
    driver: Any, job_id: str = "job-1", workspace_id: str = "acme"
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the old and the new schema hold of a job."""
    return driver.hgetall(f"ai:jobs:{job_id}"), driver.hgetall(f"ai:job:{workspace_id}:{job_id}")
