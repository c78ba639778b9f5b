"""Lower bounds to compare queues with: one bare write, and a pipeline without any guarantee."""

from __future__ import annotations

import json
from typing import Any

from midpipe.scenarios.flaws.parts import PENDING, connected, fields_of, new_key, old_key


class BareSet:
    """The floor: one SET to enqueue, one GET to read."""

    def __init__(self, redis_url: str | None = None) -> None:
        self._redis = connected(redis_url)

    def enqueue(self, job_id: str, *others: Any, **named: Any) -> bool:
        return bool(self._redis.set(old_key(job_id), json.dumps(named.get("params"))))

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Any:
        return self._redis.get(old_key(job_id))

    def update_status(self, job_id: str, status: str, *others: Any, **named: Any) -> None:
        self._redis.set(old_key(job_id), status)


class PlainPipeline:
    """Writes both schemas in one pipeline without a transaction: one round trip and no checks."""

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
        fields = fields_of(job_id, action_provider, action_name, params, workspace_id, actor_id)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hset(old_key(job_id), mapping=fields)
        pipeline.hset(new_key(workspace_id, job_id), mapping=fields)
        pipeline.rpush(PENDING, job_id)
        pipeline.execute()
        return True

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Any:
        return self._redis.hgetall(new_key(workspace_id, job_id))

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for key in (old_key(job_id), new_key(workspace_id, job_id)):
            pipeline.hset(key, mapping={"status": status, "result": json.dumps(result)})
        pipeline.execute()
