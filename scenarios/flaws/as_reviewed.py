"""The queue as the review found it: separate commands, the request key first, a clean-up that may fail.

Rewritten from the facts in the review: same keys, same calls, same order of commands. Comments mark the flaws with the
ids of the review's issues.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from midpipe.scenarios.flaws.parts import (
    PENDING,
    REQUEST_S,
    Job,
    changes_to,
    connected,
    decoded,
    fields_of,
    is_dual,
    new_key,
    newest,
    old_key,
    request_key,
)

ENABLE_NEW_SCHEMA = is_dual()
_log = logging.getLogger(__name__)


class SimpleQueue:
    """As reviewed, in the middle of the migration that the review plans."""

    promises: ClassVar = {"schemas": "dual", "tenancy": "workspace"}

    def __init__(self, redis_url: str | None = None) -> None:
        self._redis = connected(redis_url)

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
        # MEDIUM-1: an import on every call. MEDIUM-3: nothing is validated.
        from midpipe.scenarios.flaws.telemetry import record_dual_write_attempt

        client = self._redis
        # CRITICAL-1: the key is set before the job is written.
        if client_request_id and not client.set(
            request_key(workspace_id, client_request_id), job_id, nx=True, ex=REQUEST_S
        ):
            return False
        fields = fields_of(job_id, action_provider, action_name, params, workspace_id, actor_id)
        try:
            # HIGH-1: three separate writes.
            client.hset(old_key(job_id), mapping=fields)
            if ENABLE_NEW_SCHEMA:
                client.hset(new_key(workspace_id, job_id), mapping=fields)
                record_dual_write_attempt(workspace_id, "succeeded")
            client.rpush(PENDING, job_id)
        except Exception:
            # LOW-2: the log line carries the traceback.
            _log.error("enqueue of %s failed", job_id, exc_info=True)
            if ENABLE_NEW_SCHEMA:
                record_dual_write_attempt(workspace_id, "failed")
            # HIGH-3: these may fail as well, and the request key stays.
            client.delete(old_key(job_id))
            if ENABLE_NEW_SCHEMA:
                client.delete(new_key(workspace_id, job_id))
            raise
        return True

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Job | None:
        if ENABLE_NEW_SCHEMA and workspace_id:
            fields = self._redis.hgetall(new_key(workspace_id, job_id))
            if fields:
                return decoded(fields)
        # MEDIUM-2: no log line or metric says that the old schema answered.
        return decoded(self._redis.hgetall(old_key(job_id)))

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        changes = changes_to(status, result)
        # HIGH-2: the old hash first; a failure leaves the new one as it was. LOW-1: no counter.
        self._redis.hset(old_key(job_id), mapping=changes)
        if ENABLE_NEW_SCHEMA and workspace_id:
            key = new_key(workspace_id, job_id)
            if self._redis.exists(key):
                self._redis.hset(key, mapping=changes)

    def list_jobs(
        self, workspace_id: str | None = None, status: str | None = None, limit: int = 100
    ) -> list[Job]:
        # MEDIUM-5: the old schema only.
        jobs = [decoded(self._redis.hgetall(key)) for key in self._redis.keys(old_key("*"))]
        kept = [
            job
            for job in jobs
            if job
            and (not workspace_id or job.get("workspace_id") == workspace_id)
            and (not status or job.get("status") == status)
        ]
        return newest(kept, limit)

    def get_queue_depth(self) -> int:
        return int(self._redis.llen(PENDING))
