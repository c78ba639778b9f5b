"""What the queue counts, under the names its dashboards know; nothing, unless a registry is given.

Labels are bounded: workspaces beyond the first MOST_WORKSPACES share the label ``other``. Counted after the fact only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

MOST_WORKSPACES = 100
_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Telemetry:
    """The metrics of one process.

    Args:
        registry: where they are registered; None counts into nowhere.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry
        self._is_on = registry is not None
        self._workspaces: set[str] = set()
        where = registry or CollectorRegistry()
        self.dual_writes = Counter(
            "ai_jobs_dual_write",
            "Writes to both schemas.",
            ["workspace_id", "result"],
            registry=where,
        )
        self.reads = Counter(
            "relay_job_read_path", "Where a job was found.", ["path"], registry=where
        )
        self.lists = Counter(
            "relay_job_list_read_path", "Which schemas a page came from.", ["path"], registry=where
        )
        self.latency = Histogram(
            "ai_job_latency_seconds",
            "Time of a call.",
            ["operation"],
            buckets=_BUCKETS_S,
            registry=where,
        )
        self.jobs = Counter("ai_jobs", "Jobs that reached a status.", ["status"], registry=where)
        self.depth = Gauge("ai_queue_depth", "Jobs that wait, when last asked.", registry=where)
        self.duplicates = Counter(
            "ai_jobs_duplicate", "Requests that were known already.", registry=where
        )
        self.reclaimed = Counter("ai_leases_reclaimed", "Leases that expired.", registry=where)
        self.dead_letters = Counter("ai_jobs_dead_letter", "Jobs given up on.", registry=where)
        self.divergent = Counter(
            "ai_jobs_divergent", "Jobs that the schemas tell differently.", registry=where
        )
        self.backfilled = Counter(
            "ai_backfill_jobs", "Jobs of the old schema.", ["outcome"], registry=where
        )

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """Observe how long the block took, if it did not raise."""
        begun_s = perf_counter()
        yield
        if self._is_on:
            self.latency.labels(operation).observe(perf_counter() - begun_s)

    def record_dual_write_attempt(self, workspace_id: str, result: str) -> None:
        """Count a write to both schemas: ``succeeded`` or ``failed``."""
        if not self._is_on:
            return
        if workspace_id not in self._workspaces and len(self._workspaces) < MOST_WORKSPACES:
            self._workspaces.add(workspace_id)
        label = workspace_id if workspace_id in self._workspaces else "other"
        self.dual_writes.labels(label, result).inc()

    def count(self, counter: Counter, label: str) -> None:
        if self._is_on:
            counter.labels(label).inc()

    def serve(self, port: int, address: str = "127.0.0.1") -> None:
        """Serve ``/metrics``; in a thread, until the process ends."""
        if self.registry is not None:
            start_http_server(port, address, self.registry)
