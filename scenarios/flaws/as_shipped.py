"""The queue as it was shipped: one transaction, looked at from outside; and an EXISTS that decides nothing."""

from __future__ import annotations

from typing import Any

from scenarios.flaws import as_reviewed
from scenarios.flaws.parts import (
    PENDING,
    REQUEST_S,
    STATUSES,
    changes_to,
    checked,
    fields_of,
    is_dual,
    new_key,
    old_key,
    request_key,
)


class SimpleQueue(as_reviewed.SimpleQueue):
    """EXISTS, then MULTI HSET HSET RPUSH SET EXEC. The driver does not retry."""

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
        with client.pipeline(transaction=True) as block:
            block.hset(old_key(job_id), mapping=fields)
            if is_dual():
                block.hset(new_key(workspace_id, job_id), mapping=fields)
            block.rpush(PENDING, job_id)
            if client_request_id:
                block.set(key, job_id, nx=True, ex=REQUEST_S)
            block.execute()
        return True

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
                # Its answer comes with EXEC, when the next command has run already.
                block.exists(new_key(workspace_id, job_id))
                block.hset(new_key(workspace_id, job_id), mapping=changes)
            block.execute()
