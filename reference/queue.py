"""The queue: five calls of a caller, two of a worker, each one atomic step on the server.

What an answer promises: ``True`` from enqueue, the job is in every schema and in the queue; ``False``, a
job of this request (or of this id) was in already; an exception, all of it or nothing, and the same call
again finds out which. So driver and caller may retry as they like.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from reference import keys
from reference.errors import JobExistsError, JobNotFoundError
from reference.job import (
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    Job,
    checked_status,
    decoded,
    encoded,
    now,
)
from reference.scripts import script

DEFAULT_URL = "redis://localhost:6379"
DEFAULT_TIME_OUT_S = 2.0
_BACKOFF_BASE_S, _BACKOFF_CAP_S = 0.0005, 0.05
_RANKS = {PENDING: 0, RUNNING: 1, COMPLETED: 2, FAILED: 2}

_log = logging.getLogger(__name__)


class Queue:
    """A job queue in Redis.

    Args:
        redis_url: else REDIS_URL, else redis://localhost:6379. ``socket_timeout`` and
            ``socket_connect_timeout`` in its query win over this class's defaults of 2 s.

    Attributes:
        driver_retries: how often the driver sends a step again by itself; safe, since every step may run twice.
    """

    driver_retries = 2

    def __init__(self, redis_url: str | None = None) -> None:
        url = redis_url or os.environ.get("REDIS_URL") or DEFAULT_URL
        self._dual = os.environ.get("AI_JOBS_NEW_SCHEMA", "off") == "on"
        self._redis: redis.Redis = redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=DEFAULT_TIME_OUT_S,
            socket_connect_timeout=DEFAULT_TIME_OUT_S,
            retry=Retry(
                ExponentialBackoff(cap=_BACKOFF_CAP_S, base=_BACKOFF_BASE_S), self.driver_retries
            ),
            retry_on_error=[RedisConnectionError, RedisTimeoutError],
        )

    @property
    def latency_bound_s(self) -> float:
        """How long any call takes at most, whatever the network does, in seconds.

        Each of the two round trips a step may need is tried 1 + driver_retries times, and each try may wait
        for a connection, its set-up (up to four replies) and the answer.
        """
        options = self._redis.connection_pool.connection_kwargs
        time_out_s = float(options.get("socket_timeout") or DEFAULT_TIME_OUT_S)
        connect_s = float(options.get("socket_connect_timeout") or DEFAULT_TIME_OUT_S)
        attempt_s = connect_s + 5 * time_out_s + _BACKOFF_CAP_S
        return 2 * (1 + self.driver_retries) * attempt_s + 1.0

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

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
            True if it was put in now; False if this request id, or without one this job id, was in already.

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
            "action_provider": action_provider,
            "action_name": action_name,
            "params": encoded(params),
            "workspace_id": workspace_id,
            "actor_id": actor_id,
            "result": "",
            "enqueued_at": now(),
        }
        answer = script("enqueue").run(
            self._redis,
            [
                keys.old_job(job_id),
                keys.new_job(workspace_id, job_id),
                keys.PENDING,
                keys.workspace_index(workspace_id),
                keys.request(workspace_id, client_request_id or ""),
                keys.OWNERS,
            ],
            [
                job_id,
                workspace_id,
                int(self._dual),
                int(client_request_id is not None),
                keys.IDEMPOTENCY_S,
                time.time_ns() // 1000,
                *(word for pair in fields.items() for word in pair),
            ],
        )
        if answer == -1:
            raise JobExistsError(f"job {job_id} belongs to another workspace")
        _log.debug("enqueue %s: %s", job_id, answer)
        return bool(answer == 1)

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Job | None:
        """Return the job, or None. With a workspace_id, only if it is that workspace's."""
        keys.checked_id("job_id", job_id)
        if workspace_id is not None:
            keys.checked_workspace(workspace_id)
        fields, _ = script("get").run(
            self._redis,
            [keys.new_job(workspace_id or "", job_id), keys.old_job(job_id)],
            [workspace_id or ""],
        )
        return decoded(dict(zip(fields[::2], fields[1::2], strict=True)))

    def update_status(
        self,
        job_id: str,
        status: str,
        result: Any = None,
        workspace_id: str | None = None,
    ) -> None:
        """Move a job forward. An update that a newer one has overtaken changes nothing.

        Raises:
            ValueError, TypeError: malformed, or workspace_id missing while both schemas are written.
            JobNotFoundError: there is no such job.
        """
        keys.checked_id("job_id", job_id)
        checked_status(status)
        if workspace_id is not None or self._dual:
            keys.checked_workspace(workspace_id)
        answer = script("update").run(
            self._redis,
            [keys.old_job(job_id), keys.new_job(workspace_id or "", job_id)],
            [
                status,
                _RANKS[status],
                int(self._dual),
                now(),
                "" if result is None else encoded(result),
            ],
        )
        if answer == -1:
            raise JobNotFoundError(f"there is no job {job_id}")
        _log.debug("update %s to %s: %s", job_id, status, answer)

    def list_jobs(
        self,
        workspace_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        cursor: int | None = None,
    ) -> dict[str, Any]:
        """Return one page of a workspace's jobs, newest first: ``{"items": […], "next_cursor": …}``."""
        workspace = keys.checked_workspace(workspace_id)
        if status is not None:
            checked_status(status)
        if limit < 1:
            raise ValueError(f"limit must be at least 1; got {limit}")
        following, *found = script("list").run(
            self._redis,
            [keys.workspace_index(workspace)],
            [workspace, status or "", limit, cursor or 0],
        )
        items = [decoded(dict(zip(job[::2], job[1::2], strict=True))) for job in found]
        return {"items": items, "next_cursor": None if following == -1 else following}

    def get_queue_depth(self) -> int:
        """Return how many jobs wait."""
        return int(self._redis.llen(keys.PENDING))

    def claim(self, worker_id: str, lease_s: float = 30.0) -> Job | None:
        """Give the oldest waiting job to a worker: the job and its ``lease_token``, or None.

        If the answer is lost, the driver's retry gets the same job again. If all of them are lost, the job
        stays claimed until its lease ends.
        """
        keys.checked_id("worker_id", worker_id)
        answer = script("claim").run(
            self._redis,
            [keys.PENDING, keys.LEASES, keys.TOKENS, keys.OWNERS],
            [uuid.uuid4().hex, time.time_ns() // 1_000_000, int(lease_s * 1000), now()],
        )
        if not answer:
            return None
        token, fields = answer
        job = decoded(dict(zip(fields[::2], fields[1::2], strict=True)))
        return None if job is None else {**job, "lease_token": int(token)}

    def complete(
        self, job_id: str, workspace_id: str, lease_token: int, result: Any = None
    ) -> bool:
        """Finish a claimed job. False if the lease has gone to somebody else."""
        keys.checked_id("job_id", job_id)
        keys.checked_workspace(workspace_id)
        answer = script("complete").run(
            self._redis,
            [keys.old_job(job_id), keys.new_job(workspace_id, job_id), keys.LEASES],
            [job_id, lease_token, "" if result is None else encoded(result), now()],
        )
        return bool(answer == 1)
