"""The metrics of the queue, under the names that its dashboards use. Off unless AI_JOBS_METRICS is ``on``.

Metrics need the package prometheus-client; without it the queue works with metrics off. A call is counted after it has
ended, once, as this process saw it end: a call whose replies were all lost counts as raised, although the server may
have run it. Labels are bounded: workspaces beyond the first MOST_WORKSPACES, and calls that name none, share the label
``other``. Every label value that is known in advance exists from the start with the value 0, so that the first event is
an increase. ``monitoring/`` has recording rules, alerts and a dashboard.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from time import perf_counter, time
from typing import TYPE_CHECKING, Any, Literal

from .job import RANKS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MOST_WORKSPACES = 100
OTHER = "other"
OPERATIONS = (
    "enqueue",
    "get_job",
    "update_status",
    "list_jobs",
    "claim",
    "heartbeat",
    "complete",
    "fail",
    "give_back",
    "forget",
)
OUTCOMES = ("copied", "mended", "same", "differs", "missing", "gone", "recent", "removed")
_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Event = Literal[
    "read",
    "page",
    "fallback",
    "job",
    "duplicate",
    "error",
    "reclaimed",
    "dead letter",
    "backfilled",
]
# For each event: the counter's name and description, its label, and the label's values.
_COUNTERS: dict[Event, tuple[str, str, str, tuple[str, ...]]] = {
    "read": ("relay_job_read_path", "Where a job was found.", "path", ("new", "old", "miss")),
    "page": ("relay_job_list_read_path", "Where a page was from.", "path", ("new", "mixed")),
    "fallback": (
        "ai_jobs_fallback_read",
        "Reads that found a job in the schema that is read second.",
        "",
        (),
    ),
    "job": ("ai_jobs", "Jobs that reached a status.", "status", tuple(RANKS)),
    "duplicate": ("ai_jobs_duplicate", "Requests that were already known.", "", ()),
    "error": ("ai_jobs_errors", "Calls that raised.", "operation", OPERATIONS),
    "reclaimed": ("ai_leases_reclaimed", "Leases that ended before their job was done.", "", ()),
    "dead letter": ("ai_jobs_dead_letter", "Jobs that have used up their attempts.", "", ()),
    "backfilled": ("ai_backfill_jobs", "Jobs of the old schema.", "outcome", OUTCOMES),
}


class Telemetry:
    """The metrics of one process.

    Args:
        registry: where they are registered, once; None turns the metrics off.

    Raises:
        ModuleNotFoundError: there is a registry, and prometheus-client is not installed.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._metrics = None if registry is None else _Metrics(registry)
        self._workspaces: set[str] = set()

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """Observe how long the block took, and whether it raised."""
        if self._metrics is None:
            yield
            return
        begun_s = perf_counter()
        try:
            yield
        except Exception:
            self.count("error", operation)
            raise
        finally:
            self._metrics.latency.labels(operation).observe(perf_counter() - begun_s)

    def record_dual_write_attempt(self, workspace_id: str, result: str) -> None:
        """Count a write to both schemas: ``succeeded`` or ``failed``."""
        if self._metrics is None:
            return
        dual_writes = self._metrics.dual_writes
        if workspace_id not in self._workspaces:
            if len(self._workspaces) >= MOST_WORKSPACES or not workspace_id:
                workspace_id = OTHER
            self._workspaces.add(workspace_id)
            for value in ("succeeded", "failed"):
                dual_writes.labels(workspace_id, value)
        dual_writes.labels(workspace_id, result).inc()

    def count(self, event: Event, *labels: str, by: float = 1) -> None:
        """Count an event ``by`` times, with the value of its counter's label if it has one."""
        if self._metrics is not None and by:
            counter = self._metrics.counters[event]
            (counter.labels(*labels) if labels else counter).inc(by)

    def set_phase(self, phase: str) -> None:
        """Set the phase of the migration that this process is in."""
        if self._metrics is not None:
            self._metrics.phase.labels(phase).set(1)

    def set_depth(self, depth: int) -> None:
        """Set how many jobs wait."""
        if self._metrics is not None:
            self._metrics.depth.set(depth)

    def record_verify(self, counts: Mapping[str, int]) -> None:
        """Set what a pass over the whole old schema counted, and when it ended."""
        if self._metrics is not None:
            self._metrics.divergent.set(counts["differs"] + counts["missing"])
            self._metrics.verified.set(time())

    def serve(self, port: int, address: str = "127.0.0.1") -> Callable[[], None]:
        """Serve ``/metrics`` from a thread; return a function that ends it.

        Raises:
            ValueError: the metrics are off.
            OSError: the port can't be used.
        """
        if self._metrics is None:
            raise ValueError("metrics are off: there is nothing to serve")
        server, thread = _prometheus().start_http_server(port, address, self._metrics.registry)

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return close


class _Metrics:
    """The metrics in a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        prometheus = _prometheus()
        self.registry = registry
        self.counters: dict[Event, Counter] = {}
        for event, (name, description, label, values) in _COUNTERS.items():
            counter = prometheus.Counter(
                name, description, [label] if label else [], registry=registry
            )
            for value in values:
                counter.labels(value)
            self.counters[event] = counter
        self.dual_writes: Counter = prometheus.Counter(
            "ai_jobs_dual_write",
            "Writes of a job to both schemas.",
            ["workspace_id", "result"],
            registry=registry,
        )
        self.latency: Histogram = prometheus.Histogram(
            "ai_job_latency_seconds",
            "Time of a call.",
            ["operation"],
            buckets=_BUCKETS_S,
            registry=registry,
        )

        def gauge(name: str, description: str, *labels: str) -> Any:
            return prometheus.Gauge(name, description, labels, registry=registry)

        self.depth: Gauge = gauge("ai_queue_depth", "Jobs that wait, when last seen.")
        self.phase: Gauge = gauge("ai_jobs_phase", "1 for the phase of the migration.", "phase")
        self.divergent: Gauge = gauge(
            "ai_jobs_divergent", "Jobs that differ or are missing, by the last verify."
        )
        self.verified: Gauge = gauge(
            "ai_jobs_verified_timestamp_seconds", "When the last verify ended."
        )


def telemetry_asked_for() -> Telemetry:
    """Return the process's telemetry: in prometheus-client's default registry if AI_JOBS_METRICS is ``on``, else off.

    Raises:
        ModuleNotFoundError: AI_JOBS_METRICS is ``on``, and prometheus-client is not installed.
    """
    return _of_the_process() if os.environ.get("AI_JOBS_METRICS") == "on" else _off()


@cache
def _of_the_process() -> Telemetry:
    return Telemetry(_prometheus().REGISTRY)


@cache
def _off() -> Telemetry:
    return Telemetry()


def _prometheus() -> Any:
    try:
        import prometheus_client
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Metrics need the package prometheus-client: pip install prometheus-client, or set AI_JOBS_METRICS=off.",
            name=error.name,
        ) from None
    return prometheus_client
