"""A queue of several tenants, without list_jobs, whose get_job looks a job up by its id if the tenant has none."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import redis

from midpipe.reference.keys import checked_workspace

OWNERS = "shop:owners"


class Fixed:
    """Each tenant's jobs are in a hash of its own."""

    promises: ClassVar = {"deduplicates": "job", "tenancy": "workspace"}

    def __init__(self, url: str) -> None:
        self.redis: Any = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id: str, params: Any, workspace_id: str) -> bool:
        """Add a job; False if the tenant has it already."""
        job = {"job_id": job_id, "workspace_id": workspace_id, "params": params}
        key = f"shop:jobs:{checked_workspace(workspace_id)}"
        return bool(self.redis.hsetnx(key, job_id, json.dumps(job)))

    def get_job(self, job_id: str, workspace_id: str) -> dict[str, Any] | None:
        """Return the tenant's job."""
        text = self.redis.hget(f"shop:jobs:{workspace_id}", job_id)
        return json.loads(text) | {"status": "pending"} if text else None


class Queue(Fixed):
    """Falls back to an index of all tenants' jobs."""

    def enqueue(self, job_id: str, params: Any, workspace_id: str) -> bool:
        is_new = super().enqueue(job_id, params, workspace_id)
        self.redis.hsetnx(OWNERS, job_id, workspace_id)
        return is_new

    def get_job(self, job_id: str, workspace_id: str) -> dict[str, Any] | None:
        owner = (
            None
            if (job := super().get_job(job_id, workspace_id))
            else self.redis.hget(OWNERS, job_id)
        )
        return super().get_job(job_id, owner) if owner else job
