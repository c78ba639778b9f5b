"""The reference under the contract: its queue with both schemas, and its own worker."""

from __future__ import annotations

from typing import Any

import midpipe_job

from midpipe import reference
from midpipe.reference.migration import Phase
from midpipe.reference.telemetry import Telemetry
from midpipe.reference.worker import Worker

LEASE_S = 1.0


class _UntilEmpty(reference.Queue):
    """A queue that asks its worker to stop instead of waiting for a job."""

    worker: Worker

    def wait(self, at_most_s: float = 1.0) -> None:
        """Stop the worker."""
        self.worker.stop()


class Queue:
    """The reference with its defaults, but for its lease and its back-off, and without its counters."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.queue = reference.Queue(url, phase=Phase.DUAL_READ_NEW, telemetry=Telemetry())

    def enqueue(
        self,
        job_id: str,
        params: dict[str, Any],
        workspace_id: str,
        client_request_id: str | None = None,
    ) -> bool:
        """Enqueue a job; False if its request, or its id, is in already."""
        names = {"action_provider": "mail", "action_name": "send", "actor_id": "user-7"}
        return self.queue.enqueue(
            job_id,
            params=params,
            workspace_id=workspace_id,
            client_request_id=client_request_id,
            **names,
        )

    def work(self, jobs: int = 1, worker_id: str = "worker-a") -> None:
        """Run the worker until it has run so many jobs or the queue is empty."""
        left = jobs

        def handle(job: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                worker.stop()
            return midpipe_job.run(job["job_id"], job["params"])

        queue = _UntilEmpty(self.url, phase=Phase.DUAL_READ_NEW, telemetry=Telemetry())
        worker = Worker(queue, handle, worker_id, lease_s=LEASE_S, back_off_s=0.0)
        queue.worker = worker
        worker.run(on_sigterm=False)

    def get_job(self, job_id: str, workspace_id: str) -> dict[str, Any] | None:
        """Return the job with its status."""
        return self.queue.get_job(job_id, workspace_id)
