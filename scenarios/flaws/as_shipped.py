"""The queue as it was shipped: it checks outside its transaction, and queues an EXISTS whose reply decides nothing."""

from __future__ import annotations

import logging
from typing import Any

from midpipe.scenarios.flaws import as_reviewed
from midpipe.scenarios.flaws.parts import (
    PENDING,
    REQUEST_S,
    STATUSES,
    Job,
    changes_to,
    checked,
    decoded,
    fields_of,
    is_dual,
    new_key,
    newest,
    old_key,
    request_key,
)
from midpipe.scenarios.flaws.telemetry import record_dual_write_attempt, record_read_path

_log = logging.getLogger(__name__)


class SimpleQueue(as_reviewed.SimpleQueue):
    """Sends EXISTS, then MULTI HSET HSET RPUSH SET EXEC. The driver does not retry."""

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
        checked(workspace_id)
        client = self._redis
        key = request_key(workspace_id, client_request_id)
        if client_request_id and client.exists(key):
            return False
        fields = fields_of(job_id, action_provider, action_name, params, workspace_id, actor_id)
        try:
            with client.pipeline(transaction=True) as block:
                block.hset(old_key(job_id), mapping=fields)
                if is_dual():
                    block.hset(new_key(workspace_id, job_id), mapping=fields)
                block.rpush(PENDING, job_id)
                if client_request_id:
                    block.set(key, job_id, nx=True, ex=REQUEST_S)
                block.execute()
        except Exception:
            record_dual_write_attempt(workspace_id, "failed")
            _log.error("could not enqueue a job")
            raise
        record_dual_write_attempt(workspace_id, "succeeded")
        return True

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Job | None:
        if is_dual() and workspace_id:
            fields = self._redis.hgetall(new_key(workspace_id, job_id))
            if fields:
                record_read_path("new")
                return decoded(fields)
        fields = self._redis.hgetall(old_key(job_id))
        record_read_path("old" if fields else "miss")
        return decoded(fields)

    def list_jobs(  # type: ignore[override] # the later signature, after the facts of the review
        self,
        workspace_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        checked(workspace_id)
        jobs = {}
        for pattern in (old_key("*"), new_key(workspace_id, "*")):
            for key in sorted(self._redis.scan_iter(pattern, count=1000)):
                job = decoded(self._redis.hgetall(key))
                if job and job.get("workspace_id") == workspace_id:
                    jobs[str(job["job_id"])] = job
        kept = [job for job in jobs.values() if not status or job.get("status") == status]
        return {"items": newest(kept, limit), "next_cursor": None}

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        if status not in STATUSES:
            raise ValueError(f"status {status!r} is unknown")
        if is_dual():
            checked(workspace_id)
        changes = changes_to(status, result)
        with self._redis.pipeline(transaction=True) as block:
            block.hset(old_key(job_id), mapping=changes)
            if is_dual():
                # Its reply arrives with EXEC, after the next command has been executed.
                block.exists(new_key(workspace_id, job_id))
                block.hset(new_key(workspace_id, job_id), mapping=changes)
            block.execute()
        record_dual_write_attempt(workspace_id, "succeeded")
