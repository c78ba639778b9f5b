"""What every call of the queue rests on: the driver with its time-outs and retries, the phase, and how a step is run.

A step is timed, counted once its outcome is known, and told in the log if it raised: a plain sentence, no ids, no data.
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
        redis_url: else REDIS_URL, else redis://localhost:6379; of one server, of Sentinels, or of a Cluster (see
            ``driver``). ``socket_timeout`` and ``socket_connect_timeout`` in its query win over the defaults of 2 s.
        client: a driver of your own instead, with ``decode_responses=True``. Its retries are safe: every step may run
            twice.
        phase: of the migration; else what the environment's flags say.
        prefix: before every key. In a Redis Cluster it must be a hash tag (``{ai}:``), so that all keys live in one
            slot and a step can be atomic there; elsewhere it is empty, and the names are the well-known ones.
        durability: what must have each write before its call returns; else what the environment asks for.
        telemetry: where calls are counted; else what AI_JOBS_METRICS says.

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
        url = redis_url or os.environ.get("REDIS_URL") or DEFAULT_URL
        self._redis = client or self._driver(url)
        if is_cluster(self._redis) and not has_hash_tag(prefix):
            raise ValueError(
                "In a Cluster a step is atomic only where all its keys live in one slot: "
                "give a prefix with a hash tag, '{ai}:'"
            )
        self._phase = phase or phase_from()
        self._steps = Steps(self._redis, prefix, durability or durability_from())
        self._telemetry = telemetry or telemetry_asked_for()
        self._telemetry.runs_in(self._phase.value)
        pool = getattr(self._redis, "connection_pool", None)
        options = pool.connection_kwargs if pool else {}
        self._time_out_s = float(options.get("socket_timeout") or DEFAULT_TIME_OUT_S)
        self._connect_s = float(options.get("socket_connect_timeout") or DEFAULT_TIME_OUT_S)

    @property
    def latency_bound_s(self) -> float:
        """How long any call takes at most, whatever the network does, in seconds.

        Each of the two round trips a step may need is tried 1 + driver_retries times, and each try may wait
        for a connection, its set-up (up to four replies) and the answer. What it takes to ask Sentinels, or a Cluster's
        other nodes, who serves now is not in it.
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
        """Run a step that writes a job; if it raises in a phase of dual writes, one has failed, as far as we know."""
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
