"""Queues with one planted flaw each, which one client and one fault can show: the reference with one mistake.

Each docstring names the flaw; ``registry.py`` says which invariants must catch it. ``driver_retries`` is 0 where a
retry inside the driver would hide the flaw.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

import redis

from midpipe.reference import Queue, keys
from midpipe.reference.job import Job, checked_status, encoded
from midpipe.scenarios.flaws.parts import (
    changes_to,
    decoded,
    fields_of,
    new_key,
    newest,
    old_key,
    request_key,
)

SMALL = 4_096
_log = logging.getLogger(__name__)


class OpenQueue(Queue):
    """The reference, with access to its driver. It has no flaw of its own.

    Its flawed descendants claim what the reference does: one that forgets the request id is to be caught at it.
    """

    promises: ClassVar = {**Queue.promises, "deduplicates": "request"}

    @property
    def driver(self) -> Any:
        return self._redis


class CleansUpAfterItself(OpenQueue):
    """After an exception it deletes the job's data, although the job may be in the queue."""

    driver_retries = 0

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        try:
            return super().enqueue(job_id, *args, **named)
        except (redis.ConnectionError, redis.TimeoutError):
            self.driver.delete(old_key(job_id), new_key(named.get("workspace_id"), job_id))
            raise


class PushesAgain(OpenQueue):
    """It writes a job's data once, but pushes its id with every call."""

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        new = super().enqueue(job_id, *args, **named)
        if not new:
            self.driver.rpush(keys.PENDING, job_id)
        return new


class RequestKeyFirst(OpenQueue):
    """It sets the request key in a separate command, before it writes the job."""

    driver_retries = 0

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        request_id = named.pop("client_request_id", None)
        if request_id:
            key = request_key(named.get("workspace_id"), request_id)
            if not self.driver.set(key, job_id, nx=True, ex=keys.IDEMPOTENCY_S):
                return False
        return super().enqueue(job_id, *args, **named)


class PushesFirst(OpenQueue):
    """It queues the id before it writes the data, so a worker may receive an id without data."""

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
        keys.checked_workspace(workspace_id)
        fields = fields_of(job_id, action_provider, action_name, params, workspace_id, actor_id)
        self.driver.rpush(keys.PENDING, job_id)
        with self.driver.pipeline(transaction=True) as block:
            block.hset(old_key(job_id), mapping=fields)
            block.hset(new_key(workspace_id, job_id), mapping=fields)
            block.execute()
        return True


class PlainPipeline(OpenQueue):
    """It sends all writes in one pipeline without MULTI: one round trip, but not atomic."""

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
        keys.checked_workspace(workspace_id)
        fields = fields_of(job_id, action_provider, action_name, params, workspace_id, actor_id)
        with self.driver.pipeline(transaction=False) as block:
            block.hset(old_key(job_id), mapping=fields)
            block.hset(new_key(workspace_id, job_id), mapping=fields)
            block.rpush(keys.PENDING, job_id)
            block.execute()
        return True


class SwallowsExceptions(OpenQueue):
    """It logs an exception and returns True."""

    driver_retries = 0

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        try:
            return super().enqueue(job_id, *args, **named)
        except (redis.ConnectionError, redis.TimeoutError):
            _log.error("could not enqueue a job")
            return True


class SaysFalseAfterAnException(OpenQueue):
    """It returns False after an exception, which means that the job was accepted before."""

    driver_retries = 0

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        try:
            return super().enqueue(job_id, *args, **named)
        except (redis.ConnectionError, redis.TimeoutError):
            return False


class FireAndForget(OpenQueue):
    """It writes without waiting for the server's reply, and returns True."""

    def __init__(self, redis_url: str | None = None) -> None:
        super().__init__(redis_url)
        self._silent: Any = None

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
        keys.checked_workspace(workspace_id)
        fields = fields_of(job_id, action_provider, action_name, params, workspace_id, actor_id)
        words = [word for pair in fields.items() for word in pair]
        if self._silent is None:
            self._silent = self.driver.connection_pool.get_connection()
            self._silent.send_command("CLIENT", "REPLY", "OFF")
        self._silent.send_command("MULTI")
        self._silent.send_command("HSET", old_key(job_id), *words)
        self._silent.send_command("HSET", new_key(workspace_id, job_id), *words)
        self._silent.send_command("RPUSH", keys.PENDING, job_id)
        self._silent.send_command("EXEC")
        return True


class UpdatesOneThenTheOther(OpenQueue):
    """It updates the two schemas in two commands."""

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        keys.checked_workspace(workspace_id)
        changes = changes_to(checked_status(status), result)
        self.driver.hset(old_key(job_id), mapping=changes)
        self.driver.hset(new_key(workspace_id, job_id), mapping=changes)


class FillsHalfAHash(OpenQueue):
    """An update of a job that only the old schema holds creates a new hash with a status and no other fields."""

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        keys.checked_workspace(workspace_id)
        changes = changes_to(checked_status(status), result)
        with self.driver.pipeline(transaction=True) as block:
            block.hset(old_key(job_id), mapping=changes)
            block.hset(new_key(workspace_id, job_id), mapping=changes)
            block.execute()


class LastArrivalWins(FillsHalfAHash):
    """The update that arrives last wins, even if its caller has timed out and sent a newer one since."""

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        if self.driver.exists(new_key(workspace_id, job_id)):
            super().update_status(job_id, status, result, workspace_id)
        else:
            OpenQueue.update_status(self, job_id, status, result, workspace_id)


class ForgetsTheUpdate(OpenQueue):
    """It queues the update in a pipeline that it never executes, and returns."""

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        keys.checked_workspace(workspace_id)
        block = self.driver.pipeline(transaction=True)
        block.hset(old_key(job_id), mapping=changes_to(checked_status(status), result))
        self.driver.exists(old_key(job_id))


class StoresLargeResultsApart(OpenQueue):
    """It writes a large result after the status; a retry finds the status set and writes no result."""

    driver_retries = 0

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        if len(encoded(result)) <= SMALL:
            super().update_status(job_id, status, result, workspace_id)
            return
        if self.driver.hget(old_key(job_id), "status") in ("completed", "failed"):
            return
        super().update_status(job_id, status, None, workspace_id)
        block = self.driver.pipeline(transaction=True)
        for key in (old_key(job_id), new_key(workspace_id, job_id)):
            block.hset(key, "result", encoded(result))
        block.execute()


class WaitsForEver(OpenQueue):
    """It ignores the time-outs in its URL, and waits for a silent server for ever."""

    driver_retries = 0
    latency_bound_s = 0.4

    def _driver(self, url: str) -> Any:
        bare = urlunsplit(urlsplit(url)._replace(query=""))
        return redis.from_url(bare, decode_responses=True, socket_timeout=None)


class RetriesForEver(OpenQueue):
    """It retries after a connection error without limit."""

    driver_retries = 0
    latency_bound_s = 0.4

    def enqueue(self, *args: Any, **named: Any) -> bool:
        while True:
            try:
                return super().enqueue(*args, **named)
            except (redis.ConnectionError, redis.TimeoutError):
                time.sleep(0.01)


class DeclaresLessThanItWaits(OpenQueue):
    """It declares a latency bound that is shorter than its own time-out."""

    @property
    def latency_bound_s(self) -> float:
        return 0.9 * self._time_out_s


class OneRequestForAll(OpenQueue):
    """It keeps request ids without their workspace, so a request of one workspace blocks that of another."""

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        request_id = named.get("client_request_id")
        known = request_key("any", request_id)
        if request_id and self.driver.exists(known):
            return False
        new = super().enqueue(job_id, *args, **named)
        if new and request_id:
            self.driver.set(known, job_id, ex=keys.IDEMPOTENCY_S)
        return new


class ReadsAnybodysJob(OpenQueue):
    """get_job returns a job to every workspace."""

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Job | None:
        return super().get_job(job_id)


class WritesThenValidates(OpenQueue):
    """It counts a call in Redis before it validates the arguments."""

    def enqueue(self, *args: Any, **named: Any) -> bool:
        self.driver.incr("ai:calls")
        return super().enqueue(*args, **named)


class TakesAnyWorkspace(OpenQueue):
    """It accepts an empty workspace_id."""

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        if not named.get("workspace_id"):
            self.driver.hset(new_key(named.get("workspace_id"), job_id), "status", "pending")
            return True
        return super().enqueue(job_id, *args, **named)


class LogsParams(OpenQueue):
    """It writes the job's params into a log line at ERROR."""

    driver_retries = 0

    def enqueue(self, job_id: str, *args: Any, **named: Any) -> bool:
        try:
            return super().enqueue(job_id, *args, **named)
        except (redis.ConnectionError, redis.TimeoutError):
            _log.error("could not enqueue %s with %s", job_id, json.dumps(named.get("params")))
            raise


class ListsTheOldSchema(OpenQueue):
    """list_jobs reads the old schema only."""

    def list_jobs(
        self,
        workspace_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        cursor: Any = None,
    ) -> dict[str, Any]:
        found = [self.driver.hgetall(key) for key in self.driver.keys(old_key("*"))]
        jobs = [decoded(fields) for fields in found if fields.get("workspace_id") == workspace_id]
        return {"items": newest(jobs, limit), "next_cursor": None}


class PopsBeforeItMarks(OpenQueue):
    """claim pops the id from the queue, and marks the job running in a second command."""

    driver_retries = 0

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        job_id = self.driver.lpop(keys.PENDING)
        if job_id is None:
            return None
        job = decoded(self.driver.hgetall(old_key(job_id)))
        if job is None:
            return None
        super().update_status(job_id, "running", None, job["workspace_id"])
        return {**job, "lease_token": 1}

    def complete(
        self, job_id: str, workspace_id: str, lease_token: int, result: Any = None
    ) -> bool:
        super().update_status(job_id, "completed", json.loads(encoded(result)), workspace_id)
        return True


class KeepsDeadWorkersJobs(OpenQueue):
    """claim deletes expired leases without requeueing their jobs."""

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        self.driver.zremrangebyscore(keys.LEASES, "-inf", time.time() * 1000)
        return super().claim(worker_id, lease_s)


class GivesTheNewestFirst(PopsBeforeItMarks):
    """claim takes the newest job: it pops from the end at which enqueue pushes."""

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        self.driver.lmove(keys.PENDING, keys.PENDING, "RIGHT", "LEFT")
        return super().claim(worker_id, lease_s)


class ReturnsParamsAsText(OpenQueue):
    """get_job does not decode the params."""

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Job | None:
        job = super().get_job(job_id, workspace_id)
        return job and {**job, "params": json.dumps(job["params"])}
