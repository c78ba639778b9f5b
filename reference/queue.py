"""The queue: the calls of a caller, each one atomic step on the server; a worker's are in ``lease``.

What an answer promises: ``True`` from enqueue, the job is in every schema of the phase and in the queue; ``False``, a
job of this request (or of this id) was in already; an exception, all of it or nothing, and the same call
again finds out which. So driver and caller may retry as they like.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from reference import keys
from reference.backfill import Backfill
from reference.errors import JobExistsError, JobNotFoundError
from reference.job import PENDING, RANKS, Job, checked_status, decoded, encoded, now
from reference.keys import Keys
from reference.lease import Leases
from reference.migration import Phase, phase_from
from reference.scripts import Durability, durability_from, script
from reference.telemetry import Telemetry

DEFAULT_URL = "redis://localhost:6379"
DEFAULT_TIME_OUT_S = 2.0
_BACKOFF_BASE_S, _BACKOFF_CAP_S = 0.0005, 0.05
_log = logging.getLogger(__name__)


class Queue(Leases):
    """A job queue in Redis.

    Args:
        redis_url: else REDIS_URL, else redis://localhost:6379. ``socket_timeout`` and ``socket_connect_timeout`` in
            its query win over this class's defaults of 2 s.
        client: a driver of your own instead, with ``decode_responses=True``: ``Sentinel(…).master_for(…)``, say, or a
            ``RedisCluster``, which needs a prefix that is a hash tag (see Keys).
        phase: of the migration; else what the environment's flags say.
        prefix: before every key.
        durability: what must have each write before its call returns; else what the environment asks for.
        telemetry: counts into its registry.

    Attributes:
        driver_retries: how often the driver sends a step again by itself; safe, since every step may run twice.
    """

    driver_retries = 2

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        client: Any = None,
        phase: Phase | None = None,
        prefix: str = "",
        durability: Durability | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        if isinstance(client, redis.RedisCluster) and not ("{" in prefix and "}" in prefix):
            raise ValueError(
                "In a cluster a step is atomic in one slot only: give a prefix with a hash tag, '{ai}:'"
            )
        self._redis = client or self._driver(
            redis_url or os.environ.get("REDIS_URL") or DEFAULT_URL
        )
        self._keys = Keys(prefix)
        self._phase = phase or phase_from()
        self._durability = durability or durability_from()
        self._telemetry = telemetry or Telemetry()
        pool = getattr(self._redis, "connection_pool", None)
        options = pool.connection_kwargs if pool else {}
        self._time_out_s = float(options.get("socket_timeout") or DEFAULT_TIME_OUT_S)
        self._connect_s = float(options.get("socket_connect_timeout") or DEFAULT_TIME_OUT_S)

    @property
    def latency_bound_s(self) -> float:
        """How long any call takes at most, whatever the network does, in seconds.

        Each of the two round trips a step may need is tried 1 + driver_retries times, and each try may wait
        for a connection, its set-up (up to four replies) and the answer.
        """
        attempt_s = self._connect_s + 5 * self._time_out_s + _BACKOFF_CAP_S
        return 2 * (1 + self.driver_retries) * attempt_s + 1.0

    @property
    def waits_for_replicas(self) -> bool:
        """Whether a write is acknowledged only once a replica has it."""
        return self._durability is not None and self._durability.replicas > 0

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
        arguments = (
            job_id,
            workspace_id,
            self._phase.value,
            int(self._phase.writes_old),
            int(self._phase.writes_new),
            int(client_request_id is not None),
            keys.IDEMPOTENCY_S,
            now(),
            *(word for pair in fields.items() for word in pair),
        )
        named = (
            self._keys.old_job(job_id),
            self._keys.new_job(workspace_id, job_id),
            self._keys(keys.PENDING),
            self._keys.index(workspace_id),
            self._keys.request(workspace_id, client_request_id or ""),
            self._keys(keys.SEQUENCE),
            self._keys(keys.PHASES),
        )
        answer = self._write("enqueue", workspace_id, named, arguments)
        if answer == -1:
            raise JobExistsError(f"job {job_id} belongs to another workspace")
        if answer == 1:
            self._telemetry.count(self._telemetry.jobs, PENDING)
        else:
            self._telemetry.duplicates.inc()
        _log.debug("enqueue %s: %s", job_id, answer)
        return bool(answer == 1)

    def get_job(self, job_id: str, workspace_id: str | None = None) -> Job | None:
        """Return the job, or None. With a workspace_id, only if it is that workspace's."""
        keys.checked_id("job_id", job_id)
        if workspace_id is not None:
            keys.checked_workspace(workspace_id)
        where = {
            "old": self._keys.old_job(job_id),
            "new": self._keys.new_job(workspace_id or "", job_id),
        }
        order = self._phase.reads
        with self._telemetry.timed("get_job"):
            fields, number = script("get").run(
                self._redis,
                [self._keys(keys.OWNERS), *(where[schema] for schema in order)],
                [self._keys.prefix, workspace_id or ""],
            )
        path = order[number - 1] if number else "miss"
        self._telemetry.count(self._telemetry.reads, path)
        if path == "old" and order[0] == "new":
            _log.debug("job %s was found in the old schema", job_id)
        return decoded(fields)

    def update_status(
        self, job_id: str, status: str, result: Any = None, workspace_id: str | None = None
    ) -> None:
        """Move a job forward. An update that a newer one has overtaken changes nothing.

        Raises:
            ValueError, TypeError: malformed, or workspace_id missing while the new schema is written.
            JobNotFoundError: there is no such job.
        """
        keys.checked_id("job_id", job_id)
        checked_status(status)
        if workspace_id is not None or self._phase.writes_new:
            keys.checked_workspace(workspace_id)
        workspace = workspace_id or ""
        named = (
            self._keys.old_job(job_id),
            self._keys.new_job(workspace, job_id),
            self._keys.index(workspace),
            self._keys(keys.SEQUENCE),
            self._keys(keys.PHASES),
        )
        arguments = (
            job_id,
            workspace,
            self._phase.value,
            int(self._phase.writes_new),
            status,
            RANKS[status],
            now(),
            "" if result is None else encoded(result),
        )
        answer = self._write("update", workspace, named, arguments)
        if answer == -1:
            raise JobNotFoundError(f"there is no job {job_id}")
        self._telemetry.count(self._telemetry.jobs, status)
        _log.debug("update %s to %s: %s", job_id, status, answer)

    def list_jobs(
        self,
        workspace_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Return one page of a workspace's jobs, newest first: ``{"items": […], "next_cursor": … or None}``.

        A page may be shorter than ``limit`` if a status is asked for. Jobs from before the index have no place in it
        until they are updated or backfilled.
        """
        workspace = keys.checked_workspace(workspace_id)
        if status is not None:
            checked_status(status)
        if limit < 1:
            raise ValueError(f"limit must be at least 1; got {limit}")
        with self._telemetry.timed("list_jobs"):
            following, from_old, *found = script("list").run(
                self._redis,
                [self._keys(keys.OWNERS), self._keys.index(workspace)],
                [self._keys.prefix, workspace, status or "", limit, cursor or "+inf"],
            )
        self._telemetry.count(self._telemetry.lists, "mixed" if from_old else "new")
        return {"items": [decoded(job) for job in found], "next_cursor": following or None}

    def get_queue_depth(self) -> int:
        """Return how many jobs wait."""
        depth = int(self._redis.llen(self._keys(keys.PENDING)))
        self._telemetry.depth.set(depth)
        return depth

    def backfill(self) -> int:
        """Bring every job that the new schema lacks over from the old one; return how many were. See Backfill."""
        run = Backfill(self._redis, self._keys.prefix, telemetry=self._telemetry)
        return run.run()["copied"]

    def cleanup(self) -> int:
        """Remove the old schema's jobs; return how many were.

        Raises:
            StillNeededError: something still needs them; nothing was removed.
        """
        run = Backfill(self._redis, self._keys.prefix, telemetry=self._telemetry)
        return run.remove()["removed"]

    def _write(
        self, name: str, workspace_id: str, named: tuple[str, ...], arguments: tuple[str | int, ...]
    ) -> Any:
        """Run a script that writes a job, and count it if it writes both schemas."""
        is_dual = self._phase.writes_old and self._phase.writes_new
        try:
            with self._telemetry.timed(name):
                answer = script(name).run(
                    self._redis,
                    [self._keys(keys.OWNERS), *named],
                    [self._keys.prefix, *arguments],
                    self._durability,
                )
        except redis.RedisError:
            _log.error("could not %s a job", name)
            if is_dual:
                self._telemetry.record_dual_write_attempt(workspace_id, "failed")
            raise
        if is_dual and answer == 1:
            self._telemetry.record_dual_write_attempt(workspace_id, "succeeded")
        return answer

    def _driver(self, url: str) -> Any:
        return redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=DEFAULT_TIME_OUT_S,
            socket_connect_timeout=DEFAULT_TIME_OUT_S,
            retry=Retry(
                ExponentialBackoff(cap=_BACKOFF_CAP_S, base=_BACKOFF_BASE_S), self.driver_retries
            ),
            retry_on_error=[RedisConnectionError, RedisTimeoutError],
        )
