"""Queues with a flaw that only two clients can show: the reference, with one atomic step split in two.

With one client each of them is correct under every fault; the flaw needs another client between the two halves.
"""

from __future__ import annotations

import time
from typing import Any

from midpipe.reference import keys
from midpipe.reference.job import Job, now
from midpipe.scenarios.flaws.parts import (
    PENDING,
    REQUEST_S,
    checked,
    fields_of,
    new_key,
    old_key,
    request_key,
)
from midpipe.scenarios.flaws.parts import decoded as decoded_hash
from midpipe.scenarios.flaws.single import OpenQueue

_ALL = 1_000_000


class ChecksOutsideTheTransaction(OpenQueue):
    """It checks for the request and the job first, and then writes them in a transaction that checks nothing."""

    driver_retries = 0

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
        known = request_key(workspace_id, client_request_id)
        looked_for = [old_key(job_id), *([known] if client_request_id else [])]
        if self.driver.exists(*looked_for):
            return False
        fields = fields_of(job_id, action_provider, action_name, params, workspace_id, actor_id)
        with self.driver.pipeline(transaction=True) as block:
            block.hset(old_key(job_id), mapping=fields)
            block.hset(new_key(workspace_id, job_id), mapping=fields)
            block.rpush(PENDING, job_id)
            if client_request_id:
                block.set(known, job_id, ex=REQUEST_S)
            block.execute()
        return True


class ChecksTheOwnerFirst(ChecksOutsideTheTransaction):
    """It checks whether another workspace has the job before, and not in, the step that writes the job."""

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        owner = self.driver.hget(old_key(job_id), "workspace_id")
        if owner and owner != named.get("workspace_id"):
            raise ValueError("the job is another workspace's")
        return super().enqueue(job_id, *args, **named)


class PeeksThenRemoves(OpenQueue):
    """claim reads the head of the queue, marks the job running, and then removes it from the queue."""

    driver_retries = 0

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        job_id = self.driver.lindex(keys.PENDING, 0)
        if job_id is None:
            return None
        job = decoded_hash(self.driver.hgetall(old_key(job_id)))
        if job is None:
            return None
        super().update_status(job_id, "running", None, job["workspace_id"])
        self.driver.lrem(keys.PENDING, 1, job_id)
        return {**job, "lease_token": 1}


class LosesTheRaceForTheHead(PeeksThenRemoves):
    """claim reads the head of the queue, and returns None if another worker has removed it meanwhile."""

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        job_id = self.driver.lindex(keys.PENDING, 0)
        job = decoded_hash(self.driver.hgetall(old_key(job_id))) if job_id else None
        if job is None or not self.driver.lrem(keys.PENDING, 1, job_id):
            return None
        super(PeeksThenRemoves, self).update_status(job_id, "running", None, job["workspace_id"])
        return {**job, "lease_token": 1}


class IgnoresTheToken(OpenQueue):
    """complete accepts every lease token."""

    def complete(
        self, job_id: str, workspace_id: str, lease_token: int, result: Any = None
    ) -> bool:
        super().update_status(job_id, "completed", result, workspace_id)
        return True


class GivesEveryoneTheSameToken(OpenQueue):
    """All workers of a job receive the same lease token, so an expired lease does not fence its worker."""

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        job = super().claim(worker_id, lease_s)
        if job is not None:
            self.driver.hset(keys.TOKENS, job["job_id"], 1)
            job["lease_token"] = 1
        return job


class ChecksTheTokenFirst(OpenQueue):
    """complete compares the lease token in one command, and completes the job in the next."""

    def complete(
        self, job_id: str, workspace_id: str, lease_token: int, result: Any = None
    ) -> bool:
        if self.driver.hget(keys.TOKENS, job_id) != str(lease_token):
            return False
        super().update_status(job_id, "completed", result, workspace_id)
        return True


class ReleasesAnotherWorkersLease(OpenQueue):
    """complete deletes the job's lease even if it refuses the worker, so the holder of a new lease is refused."""

    def complete(
        self, job_id: str, workspace_id: str, lease_token: int, result: Any = None
    ) -> bool:
        is_holder = self.driver.hget(keys.TOKENS, job_id) == str(lease_token)
        done = is_holder and super().complete(job_id, workspace_id, lease_token, result)
        self.driver.hdel(keys.TOKENS, job_id)
        return bool(done)


class ReclaimsInTwoSteps(OpenQueue):
    """claim finds expired leases in one command, and requeues their jobs in the next without checking again."""

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        for job_id in self.driver.zrangebyscore(keys.LEASES, "-inf", time.time() * 1000):
            with self.driver.pipeline(transaction=True) as block:
                block.zrem(keys.LEASES, job_id)
                block.hset(old_key(job_id), "status", "pending")
                block.hset(new_key("acme", job_id), "status", "pending")
                block.rpush(keys.PENDING, job_id)
                block.execute()
        return super().claim(worker_id, lease_s)


class PagesByOffset(OpenQueue):
    """A page is cut out by offset, so it skips a job when an earlier one has left the listing."""

    def list_jobs(
        self,
        workspace_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        cursor: Any = None,
    ) -> dict[str, Any]:
        start = int(cursor or 0)
        jobs = super().list_jobs(workspace_id, status, _ALL)["items"]
        following = str(start + limit) if start + limit < len(jobs) else None
        return {"items": jobs[start : start + limit], "next_cursor": following}


class BackfillsInTwoSteps(OpenQueue):
    """The backfill reads the old hash and writes the new one, and overwrites an update in between."""

    def backfill(self) -> int:
        copied = 0
        for name in self.driver.scan_iter(old_key("*"), count=1000):
            self.backfill_step(name.removeprefix(old_key("")))
            copied += 1
        self.driver.set("ai:backfill:done", now())
        return copied

    def backfill_step(self, job_id: str) -> str:
        fields = self.driver.hgetall(old_key(job_id))
        if fields:
            self.driver.hset(new_key(fields.get("workspace_id"), job_id), mapping=fields)
        return "copied" if fields else "gone"
