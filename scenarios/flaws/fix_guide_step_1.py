"""The fix guide's first step: the request key is set last, and no command checks it before the writes."""

from __future__ import annotations

from typing import Any

from midpipe.scenarios.flaws import as_reviewed
from midpipe.scenarios.flaws.parts import (
    PENDING,
    REQUEST_S,
    checked,
    fields_of,
    is_dual,
    new_key,
    old_key,
    request_key,
)


class SimpleQueue(as_reviewed.SimpleQueue):
    """HSET old, HSET new, RPUSH, then SET NX; the clean-up may delete the data of a queued id."""

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
        fields = fields_of(job_id, action_provider, action_name, params, workspace_id, actor_id)
        try:
            client.hset(old_key(job_id), mapping=fields)
            if is_dual():
                client.hset(new_key(workspace_id, job_id), mapping=fields)
            client.rpush(PENDING, job_id)
        except Exception:
            client.delete(old_key(job_id), new_key(workspace_id, job_id))
            raise
        if not client_request_id:
            return True
        key = request_key(workspace_id, client_request_id)
        return bool(client.set(key, job_id, nx=True, ex=REQUEST_S))
