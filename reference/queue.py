"""The queue: the calls of a producer, each one atomic step on the server. A worker's calls are in ``lease``.

The answers of enqueue: ``True``, this call put the job into every schema of the phase and into the queue; ``False``, a
job of this request (or with this id) was in already; an exception, all of it was done or nothing, and the same call
again shows which. So driver and caller may retry freely, and a command that arrives late undoes nothing that a newer
one has done.

With asyncio, use ``await asyncio.to_thread(queue.enqueue, …)``: a call is one short round trip and threads may share
the driver, so there is no second copy of these methods for ``redis.asyncio``.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from . import keys
from .errors import JobExistsError, JobNotFoundError
from .job import PENDING, Job, checked_status, decoded, encoded, now
from .lease import Leases
from .old_schema import Backfill

OLDER_THAN = timedelta(days=7)
_READ_PER_CALL, _SCANNED_PER_CALL = 1_000, 1_000
_CURSOR = re.compile(r"(\+inf|-?\d+)/(\d+|end)")
_log = logging.getLogger(__name__)


class Queue(Leases):
    """A job queue in Redis. Its arguments are those of Connection."""

    promises: ClassVar = {"order": "fifo", "deduplicates_for": keys.IDEMPOTENCY_S}
    """What midpipe holds it to, beside what it observes."""

    def enqueue(
        self,
        job_id: str,
        action_provider: str,
        action_name: str,
        params: dict[str, Any],
        workspace_id: str,
        actor_id: str,
        client_request_id: str | None = None,
    ) -> bool:
        """Put a job into the queue, once.

        Returns:
            True if it was put in now; False if this request id, or without one this job id, was in already. A request
            id is known for 24 hours, a job id for as long as the job exists.

        Raises:
            ValueError, TypeError: an argument is malformed; nothing was written.
            JobExistsError: another workspace has a job with that id; nothing was written.
            NotDurableError: the job is in, and too few servers or disks confirmed it.
        """
        keys.checked_id("job_id", job_id)
        keys.checked_workspace(workspace_id)
        if client_request_id is not None:
            keys.checked_id("client_request_id", client_request_id)
        if not isinstance(params, dict):
            raise TypeError(f"params must be a dict, not {type(params).__name__}")
        fields = {
            "job_id": job_id,
            "status": PENDING,
            "action_provider": keys.checked_text("action_provider", action_provider),
            "action_name": keys.checked_text("action_name", action_name),
            "params": encoded(params),
            "workspace_id": workspace_id,
            "actor_id": keys.checked_text("actor_id", actor_id),
            "result": "",
            "enqueued_at": now(),
        }
        answer = self._write(
            "enqueue",
            workspace_id,
            "enqueue",
            job_id,
            workspace_id,
            int(self._phase.writes_old),
            int(self._phase.writes_new),
            client_request_id or "",
            keys.IDEMPOTENCY_S,
            fields["enqueued_at"],
            *(word for pair in fields.items() for word in pair),
        )
        _log.debug("enqueue %s: %s", job_id, answer)
        if answer == -1:
            raise JobExistsError("a job with that id belongs to another workspace")
        if answer == 0:
            self._telemetry.count("duplicate")
            return False
        self._telemetry.count("job", PENDING)
        self._count_dual_write(workspace_id, "succeeded")
        return True

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Job | None:
        """Return the job, or None. With a workspace_id, return it only if it belongs to that workspace."""
        keys.checked_id("job_id", job_id)
        if workspace_id is not None:
            keys.checked_workspace(workspace_id)
        order = self._phase.reads
        fields, number = self._step("get_job", "get", job_id, workspace_id or "", *order)
        self._telemetry.count("read", order[number - 1] if number else "miss")
        if number > 1:
            self._telemetry.count("fallback")
            _log.debug("job %s was found in the %s schema", job_id, order[number - 1])
        return decoded(fields)

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        """Move a job forward: pending, running, then completed or failed. The first of these two ends is final.

        An update that a newer one has overtaken changes nothing and raises nothing. An end takes the job away from the
        worker that has claimed it.

        Raises:
            ValueError, TypeError: an argument is malformed, or workspace_id is missing while the new schema is written.
            JobNotFoundError: there is no such job.
        """
        keys.checked_id("job_id", job_id)
        checked_status(status)
        if workspace_id is not None or self._phase.writes_new:
            keys.checked_workspace(workspace_id)
        answer = self._write(
            "update_status",
            workspace_id or "",
            "update",
            job_id,
            workspace_id or "",
            int(self._phase.writes_new),
            status,
            now(),
            "" if result is None else encoded(result),
        )
        _log.debug("update %s to %s: %s", job_id, status, answer)
        if answer == -1:
            raise JobNotFoundError("there is no such job")
        if answer == 1:
            self._telemetry.count("job", status)
            self._count_dual_write(workspace_id or "", "succeeded")

    def list_jobs(
        self,
        workspace_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Return one page of a workspace's jobs, newest first: ``{"items": […], "next_cursor": … or None}``.

        Over all pages no job comes twice, and none is left out that existed throughout. A page may be shorter than
        ``limit``, or empty, without being the last: a call reads 1,000 jobs at most.

        Jobs of code from before the index come last, in no order. Until a backfill has ended, the end of a listing
        searches the whole key space for them, 1,000 keys per call; afterwards it assumes that no such code runs.

        Raises:
            ValueError, TypeError: an argument is malformed.
        """
        workspace = keys.checked_workspace(workspace_id)
        if status is not None:
            checked_status(status)
        if limit < 1:
            raise ValueError(f"limit must be at least 1; got {limit}")
        reads_old = "old" in self._phase.reads
        begun = _CURSOR.fullmatch(cursor or f"+inf/{'0' if reads_old else 'end'}")
        if begun is None:
            raise ValueError("cursor must be the next_cursor of an earlier page")
        place, scan, from_old, *found = self._step(
            "list_jobs",
            "list",
            workspace,
            status or "",
            limit,
            *begun.groups(),
            int(reads_old),
            _READ_PER_CALL,
            _SCANNED_PER_CALL,
        )
        self._telemetry.count("page", "mixed" if from_old else "new")
        following = f"{place}/{scan}" if place else None
        return {"items": [decoded(job) for job in found], "next_cursor": following}

    def get_queue_depth(self) -> int:
        """Return how many jobs wait."""
        depth = int(self._redis.llen(self._steps.prefix + keys.PENDING))
        self._telemetry.set_depth(depth)
        return depth

    def forget(self, job_id: str, workspace_id: str, older_than: timedelta = OLDER_THAN) -> bool:
        """Remove a job that finished at least ``older_than`` ago. Without this call jobs stay for ever.

        An enqueue that arrives after the removal creates the job again, unless its request id is still known.

        Returns:
            False if there is no such job, or it is not finished, or not for so long: nothing was removed.
        """
        keys.checked_id("job_id", job_id)
        keys.checked_workspace(workspace_id)
        before = (datetime.now(UTC) - older_than).isoformat()
        return bool(self._step("forget", "forget", job_id, workspace_id, before))

    def backfill(self) -> int:
        """Copy every job that the new schema lacks from the old one; return how many. See Backfill."""
        return self._backfill().run()["copied"]

    def backfill_step(self, job_id: str) -> str:
        """Copy one job from the old schema if the new one lacks it; return the outcome. See Backfill."""
        keys.checked_id("job_id", job_id)
        return self._backfill().copy(job_id)

    def cleanup(self) -> int:
        """Remove the old schema's jobs; return how many.

        Raises:
            StillNeededError: a writer or the new schema still needs them; nothing was removed.
        """
        return self._backfill().remove()["removed"]

    def _backfill(self) -> Backfill:
        return Backfill(self._redis, self._steps.prefix, telemetry=self._telemetry)
