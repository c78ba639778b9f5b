"""The connection that every call of the queue uses: driver, time-outs and retries, phase, and how a step is run.

A step is timed, counted once its outcome is known, and logged if it raised: a plain sentence, without ids and data.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import redis

from .driver import BACKOFF_CAP_S, DEFAULT_TIME_OUT_S, driver_for, is_cluster
from .errors import NotDurableError
from .keys import has_hash_tag
from .migration import Phase, phase_from
from .scripts import Durability, Steps, durability_from
from .telemetry import Telemetry, telemetry_asked_for

DEFAULT_URL = "redis://localhost:6379"
_log = logging.getLogger(__name__)


class Connection:
    """A connection to the server, in one phase of the migration.

    Args:
        redis_url: of one server, of Sentinels, or of a Cluster (see ``driver``). None takes REDIS_URL, else
            redis://localhost:6379. ``socket_timeout`` and ``socket_connect_timeout`` in its query, in seconds,
            override the defaults of 2 s.
        client: a driver of your own instead, with ``decode_responses=True``. It may retry: every step may run twice.
        phase: of the migration; None takes the environment's flags.
        prefix: put before every key. In a Redis Cluster it must be a hash tag (``{ai}:``), so that all keys are in
            one slot and a step can be atomic there. Elsewhere leave it empty for the well-known names.
        durability: which servers and disks must have each write before its call returns; None takes the
            environment's flags.
        telemetry: where calls are counted; None takes AI_JOBS_METRICS.

    Raises:
        ValueError: the URL or a flag can't be read, or the prefix of a Cluster is no hash tag.
        ModuleNotFoundError: AI_JOBS_METRICS is ``on``, and prometheus-client is not installed.

    Attributes:
        driver_retries: how often the driver sends a step again by itself; safe, because every step may run twice.
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
        url = redis_url or os.environ.get("REDIS_URL") or DEFAULT_URL
        self._redis = client or self._driver(url)
        if is_cluster(self._redis) and not has_hash_tag(prefix):
            raise ValueError(
                "In a Cluster a step is atomic only if all its keys are in one slot: "
                "give a prefix with a hash tag, '{ai}:'"
            )
        self._phase = phase or phase_from()
        self._steps = Steps(self._redis, prefix, durability or durability_from())
        self._telemetry = telemetry or telemetry_asked_for()
        self._telemetry.set_phase(self._phase.value)
        pool = getattr(self._redis, "connection_pool", None)
        options = pool.connection_kwargs if pool else {}
        self._time_out_s = float(options.get("socket_timeout") or DEFAULT_TIME_OUT_S)
        self._connect_s = float(options.get("socket_connect_timeout") or DEFAULT_TIME_OUT_S)

    @property
    def latency_bound_s(self) -> float:
        """The longest that any call may take, whatever the network does, in seconds.

        Each of the two round trips that a step may need is tried 1 + driver_retries times, and each try may wait for a
        connection, its set-up (up to four replies) and the reply. The time for asking Sentinels, or the other nodes of
        a Cluster, for the serving node is not included.
        """
        attempt_s = self._connect_s + 5 * self._time_out_s + BACKOFF_CAP_S
        return 2 * (1 + self.driver_retries) * attempt_s + 1.0

    @property
    def waits_for_replicas(self) -> bool:
        """Whether a write is acknowledged only once a replica has it."""
        return self._steps.durability is not None and self._steps.durability.replicas > 0

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _step(self, operation: str, name: str, *arguments: str | int) -> Any:
        try:
            with self._telemetry.timed(operation):
                return self._steps.run(name, *arguments)
        except redis.RedisError as error:
            _log.error("%s raised %s", operation, type(error).__name__)
            raise

    def _write(self, operation: str, workspace_id: str, name: str, *arguments: str | int) -> Any:
        """Run a step that writes a job; if it raises in a phase of dual writes, count a failed one."""
        try:
            return self._step(operation, name, *arguments)
        except (redis.RedisError, NotDurableError):
            self._count_dual_write(workspace_id, "failed")
            raise

    def _count_dual_write(self, workspace_id: str, result: str) -> None:
        if self._phase.writes_old and self._phase.writes_new:
            self._telemetry.record_dual_write_attempt(workspace_id, result)

    def _driver(self, url: str) -> Any:
        return driver_for(url, self.driver_retries)
