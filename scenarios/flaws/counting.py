"""The reference with wrong telemetry: the queues are correct, and their counters disagree with what happened.

Each docstring names the flaw. Like the reference, they count if AI_JOBS_METRICS is on.
"""

from __future__ import annotations

from typing import Any

from midpipe.reference.job import Job
from midpipe.reference.telemetry import Telemetry
from midpipe.scenarios.flaws.single import OpenQueue


class CountsBeforeTheFact(OpenQueue):
    """It counts a dual write as succeeded before it is sent, whatever its outcome."""

    driver_retries = 0

    def _write(self, operation: str, workspace_id: str, name: str, *arguments: str | int) -> Any:
        super()._count_dual_write(workspace_id, "succeeded")
        return super()._write(operation, workspace_id, name, *arguments)

    def _count_dual_write(self, workspace_id: str, result: str) -> None:
        if result == "failed":
            super()._count_dual_write(workspace_id, result)


class CountsEnqueuesOnly(OpenQueue):
    """It counts enqueues as dual writes, but not updates, which write both schemas too."""

    _operation = ""

    def _write(self, operation: str, workspace_id: str, name: str, *arguments: str | int) -> Any:
        self._operation = operation
        return super()._write(operation, workspace_id, name, *arguments)

    def _count_dual_write(self, workspace_id: str, result: str) -> None:
        if self._operation == "enqueue":
            super()._count_dual_write(workspace_id, result)


class CountsFallbacksAsNew(OpenQueue):
    """It counts a job that only the old schema holds as found in the new one, so the migration seems further on."""

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Job | None:
        counts, self._telemetry = self._telemetry, Telemetry()
        try:
            found = super().get_job(job_id, workspace_id)
        finally:
            self._telemetry = counts
        counts.count("read", "new" if found else "miss")
        return found


class CountsDuplicatesAsJobs(OpenQueue):
    """It counts a duplicate request as one more pending job."""

    def enqueue(self, *args: Any, **named: Any) -> bool:
        new = super().enqueue(*args, **named)
        if not new:
            self._telemetry.count("job", "pending")
        return new
