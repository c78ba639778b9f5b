"""What the queue counts, under the names its dashboards know; nothing, unless it is asked for.

Counted after the fact only, once per call: what this process was told. A call whose every answer was lost counts as
raised, although the server may have done it. Labels are bounded: workspaces beyond the first MOST_WORKSPACES, and
those that a call does not name, share the label ``other``. Every label that can be known is there from the start, as 0,
so that the first event is an increase. Rules, alerts and a dashboard for them are in ``monitoring/``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from time import perf_counter, time

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    start_http_server,
)

from .job import RANKS

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


class Telemetry:
    """The metrics of one process.

    Args:
        registry: where they are registered, once; None counts into nowhere.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._registry = registry
        self._is_on = registry is not None
        self._workspaces: set[str] = set()
        where = registry or CollectorRegistry()

        def counter(name: str, what: str, label: str = "", values: tuple[str, ...] = ()) -> Counter:
            made = Counter(name, what, [label] if label else [], registry=where)
            for value in values:
                made.labels(value)
            return made

        self.dual_writes = Counter(
            "ai_jobs_dual_write",
            "Writes of a job to both schemas.",
            ["workspace_id", "result"],
            registry=where,
        )
        self.reads = counter(
            "relay_job_read_path", "Where a job was found.", "path", ("new", "old", "miss")
        )
        self.lists = counter(
            "relay_job_list_read_path", "Where a page was from.", "path", ("new", "mixed")
        )
        self.fallbacks = counter(
            "ai_jobs_fallback_read", "Reads that found a job where it was looked for last."
        )
        self.jobs = counter("ai_jobs", "Jobs that reached a status.", "status", tuple(RANKS))
        self.duplicates = counter("ai_jobs_duplicate", "Requests that were known already.")
        self.errors = counter("ai_jobs_errors", "Calls that raised.", "operation", OPERATIONS)
        self.reclaimed = counter(
            "ai_leases_reclaimed", "Leases that ended before their job was done."
        )
        self.dead_letters = counter("ai_jobs_dead_letter", "Jobs given up on.")
        self.backfilled = counter(
            "ai_backfill_jobs", "Jobs of the old schema.", "outcome", OUTCOMES
        )
        self._latency = Histogram(
            "ai_job_latency_seconds",
            "Time of a call.",
            ["operation"],
            buckets=_BUCKETS_S,
            registry=where,
        )
        self._depth = Gauge("ai_queue_depth", "Jobs that wait, when last seen.", registry=where)
        self._phase = Gauge(
            "ai_jobs_phase", "1 for the phase of the migration.", ["phase"], registry=where
        )
        self._divergent = Gauge(
            "ai_jobs_divergent",
            "Jobs that differ or are missing, by the last verify.",
            registry=where,
        )
        self._verified = Gauge(
            "ai_jobs_verified_timestamp_seconds", "When the last verify ended.", registry=where
        )

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """Observe how long the block took, and whether it raised."""
        if not self._is_on:
            yield
            return
        begun_s = perf_counter()
        try:
            yield
        except Exception:
            self.errors.labels(operation).inc()
            raise
        finally:
            self._latency.labels(operation).observe(perf_counter() - begun_s)

    def record_dual_write_attempt(self, workspace_id: str, result: str) -> None:
        """Count a write to both schemas: ``succeeded`` or ``failed``."""
        if not self._is_on:
            return
        if workspace_id not in self._workspaces:
            if len(self._workspaces) >= MOST_WORKSPACES or not workspace_id:
                workspace_id = OTHER
            self._workspaces.add(workspace_id)
            for value in ("succeeded", "failed"):
                self.dual_writes.labels(workspace_id, value)
        self.dual_writes.labels(workspace_id, result).inc()

    def count(self, counter: Counter, *labels: str, by: float = 1) -> None:
        if self._is_on and by:
            (counter.labels(*labels) if labels else counter).inc(by)

    def runs_in(self, phase: str) -> None:
        """Say which phase of the migration this process is in."""
        if self._is_on:
            self._phase.labels(phase).set(1)

    def saw_depth(self, depth: int) -> None:
        """Say how many jobs wait."""
        if self._is_on:
            self._depth.set(depth)

    def verified(self, counts: Mapping[str, int]) -> None:
        """Say what a pass over the whole old schema came to."""
        if self._is_on:
            self._divergent.set(counts["differs"] + counts["missing"])
            self._verified.set(time())

    def serve(self, port: int, address: str = "127.0.0.1") -> Callable[[], None]:
        """Serve ``/metrics`` from a thread; return what ends it."""
        server, thread = start_http_server(port, address, self._registry or CollectorRegistry())

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return close


def telemetry_asked_for() -> Telemetry:
    """Return the process's telemetry, in prometheus_client's default registry, if AI_JOBS_METRICS is ``on``."""
    return _of_the_process() if os.environ.get("AI_JOBS_METRICS") == "on" else _nowhere()


@cache
def _of_the_process() -> Telemetry:
    return Telemetry(REGISTRY)


@cache
def _nowhere() -> Telemetry:
    return Telemetry()
