"""The queue: the calls of a caller, each one atomic step on the server; a worker's are in ``lease``.

What an answer promises: ``True`` from enqueue, this call put the job into every schema of the phase and into the queue;
``False``, a job of this request (or of this id) was in already; an exception, all of it or nothing, and the same call
again finds out which. So driver and caller may retry as they like, and a command that arrives late changes nothing
that a newer one has done.

For asyncio: ``await asyncio.to_thread(queue.enqueue, …)``. A call is one short round trip, the driver may be shared by
threads, and so there is no second copy of these methods behind ``redis.asyncio``.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from . import keys
from .backfill import Backfill
from .errors import JobExistsError, JobNotFoundError
from .job import PENDING, Job, checked_status, decoded, encoded, now
from .lease import Leases

OLDER_THAN = timedelta(days=7)
_LOOKED_AT, _SCANNED = 1_000, 1_000
_CURSOR = re.compile(r"(\+inf|-?\d+)/(\d+|end)")
_log = logging.getLogger(__name__)


class Queue(Leases):
    """A job queue in Redis. What it is made from: see Connection."""

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
            id is known for 24 hours, a job id for as long as there is the job.

        Raises:
            ValueError, TypeError: an argument is malformed; nothing was written.
            JobExistsError: another workspace has a job of that id; nothing was written.
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
            raise JobExistsError("a job of that id belongs to another workspace")
        if answer == 0:
            self._telemetry.count(self._telemetry.duplicates)
            return False
        self._telemetry.count(self._telemetry.jobs, PENDING)
        self._count_dual_write(workspace_id, "succeeded")
        return True

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Job | None:
        """Return the job, or None. With a workspace_id, only if it is that workspace's."""
        keys.checked_id("job_id", job_id)
        if workspace_id is not None:
            keys.checked_workspace(workspace_id)
        order = self._phase.reads
        fields, number = self._step("get_job", "get", job_id, workspace_id or "", *order)
        told = self._telemetry
        told.count(told.reads, order[number - 1] if number else "miss")
        if number > 1:
            told.count(told.fallbacks)
            _log.debug("job %s was found in the %s schema", job_id, order[number - 1])
        return decoded(fields)

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        """Move a job forward: pending, running, then completed or failed, and the first of these ends is final.

        An update that a newer one has overtaken changes nothing, and says nothing. An end takes the job away from the
        worker that has claimed it.

        Raises:
            ValueError, TypeError: malformed, or workspace_id missing while the new schema is written.
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
            self._telemetry.count(self._telemetry.jobs, status)
            self._count_dual_write(workspace_id or "", "succeeded")

    def list_jobs(
        self,
        workspace_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Return one page of a workspace's jobs, newest first: ``{"items": […], "next_cursor": … or None}``.

        From page to page no job comes twice, and none is left out that was there throughout. A page may be shorter than
        ``limit``, even empty, and not be the last: a call looks at 1,000 jobs at most.

        Jobs of code from before the index come last, in no order. Until a backfill has been through, a listing's end
        looks for them in the whole key space, 1,000 keys a call; afterwards it relies on there being no such code.

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
            _LOOKED_AT,
            _SCANNED,
        )
        self._telemetry.count(self._telemetry.lists, "mixed" if from_old else "new")
        following = f"{place}/{scan}" if place else None
        return {"items": [decoded(job) for job in found], "next_cursor": following}

    def get_queue_depth(self) -> int:
        """Return how many jobs wait."""
        depth = int(self._redis.llen(self._steps.prefix + keys.PENDING))
        self._telemetry.saw_depth(depth)
        return depth

    def forget(self, job_id: str, workspace_id: str, older_than: timedelta = OLDER_THAN) -> bool:
        """Remove a job that was finished so long ago, whole; else jobs stay, and take up memory, for ever.

        An enqueue that arrives later than that makes the job anew, unless its request id is still known.

        Returns:
            False if there is no such job, or it is not finished, or not for so long: nothing was removed.
        """
        keys.checked_id("job_id", job_id)
        keys.checked_workspace(workspace_id)
        before = (datetime.now(UTC) - older_than).isoformat()
        return bool(self._step("forget", "forget", job_id, workspace_id, before))

    def backfill(self) -> int:
        """Bring every job that the new schema lacks over from the old one; return how many were. See Backfill."""
        return self._backfill().run()["copied"]

    def backfill_step(self, job_id: str) -> str:
        """Bring one job over from the old schema, if the new one lacks it; return what came of it. See Backfill."""
        keys.checked_id("job_id", job_id)
        return self._backfill().copy(job_id)

    def cleanup(self) -> int:
        """Remove the old schema's jobs; return how many were.

        Raises:
            StillNeededError: something still needs them; nothing was removed.
        """
        return self._backfill().remove()["removed"]

    def _backfill(self) -> Backfill:
        return Backfill(self._redis, self._steps.prefix, telemetry=self._telemetry)
