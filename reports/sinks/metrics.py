"""Figures as Prometheus reads them: as text, for node_exporter, or served as ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Metric, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from midpipe.faultinject.errors import UsageError


class Metrics(Collector):
    """The figures as of the latest ``show``; none before the first."""

    def __init__(self) -> None:
        self._families: tuple[Metric, ...] = ()

    def show(self, families: Iterable[Metric]) -> None:
        """Replace all figures."""
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; called by prometheus-client."""
        return self._families

    def text(self) -> str:
        """Return the metrics as text."""
        return generate_latest(self._registry()).decode()

    def serve(self, listen: str) -> Callable[[], None]:
        """Serve ``/metrics`` from a thread; return a function that ends it. Raises UsageError.

        Args:
            listen: ``ADDRESS:PORT``.
        """
        address, _, port = listen.rpartition(":")
        if not (address and port.isdigit()):
            raise UsageError(
                f"--listen takes ADDRESS:PORT, such as 127.0.0.1:9469; got {listen!r}."
            )
        try:
            server, thread = start_http_server(int(port), address.strip("[]"), self._registry())
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"--listen {listen} can't be used: {error}. Name another port."
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


def gauge(name: str, text: str, *values: tuple[float, Mapping[str, str]]) -> Metric:
    """Return a gauge with a value for each set of labels; all have the same names of labels."""
    family = GaugeMetricFamily(name, text, labels=tuple(values[0][1]))
    for value, labels in values:
        family.add_metric(tuple(labels.values()), value)
    return family
