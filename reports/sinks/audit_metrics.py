"""The figures of an audit as Prometheus reads them: as a text file for node_exporter, or served as ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.audit.layout import Damage
from midpipe.scenarios.audit.results import AuditResult


class AuditMetrics(Collector):
    """The figures of the latest audit; none before the first."""

    def __init__(self) -> None:
        self._families: tuple[Metric, ...] = ()

    def update(self, result: AuditResult, now_s: float) -> None:
        """Take the result of an audit that has ended now, in seconds since 1970. A partial one is left out."""
        if not result.is_partial:
            self._families = tuple(_families(result, now_s))

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; called by prometheus-client."""
        return self._families

    def text(self) -> str:
        """Return the metrics as text."""
        return generate_latest(self._registry()).decode()

    def serve(self, address: str, port: int) -> Callable[[], None]:
        """Serve ``/metrics`` from a thread; return a function that ends it. Raises UsageError."""
        try:
            server, thread = start_http_server(port, address, self._registry())
        except OSError as error:
            raise UsageError(
                f"--listen {address}:{port} can't be used: {error.strerror}. Name another port."
            ) from error

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return close

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(self)
        return registry


def _families(result: AuditResult, now_s: float) -> Iterable[Metric]:
    labels = {"layout": result.layout, "phase": result.phase}

    def gauge(name: str, text: str, *values: tuple[float, dict[str, str]]) -> Metric:
        family = GaugeMetricFamily(name, text, labels=[*labels, *values[0][1]])
        for value, more in values:
            family.add_metric([*labels.values(), *more.values()], value)
        return family

    yield gauge(
        "midpipe_audit_damaged_jobs",
        "Jobs whose damage was confirmed.",
        *((result.counts.get(damage, 0), {"damage": str(damage)}) for damage in Damage),
    )
    yield gauge("midpipe_audit_jobs", "Jobs that were looked at.", (result.jobs, {}))
    unseen = "Share of jobs that could not be judged."
    yield gauge("midpipe_audit_unseen_ratio", unseen, (result.unseen, {}))
    yield gauge("midpipe_audit_duration_seconds", "How long the audit took.", (result.seconds, {}))
    added = "How much longer a PING took than at the beginning, at most."
    yield gauge("midpipe_audit_added_latency_seconds", added, (result.added_latency_ms / 1000, {}))
    ended = "When the last whole audit ended."
    yield gauge("midpipe_last_audit_timestamp_seconds", ended, (now_s, {}))
