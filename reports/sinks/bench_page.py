"""A bench as one HTML file that works offline: the ratios, and for each network a picture and a table. No script."""

from __future__ import annotations

from midpipe.reports.latency_picture import of_network, through_outage
from midpipe.reports.sinks.html import rendered
from midpipe.reports.sinks.latency import outage_text
from midpipe.scenarios.latency.results import Bench, Row


def bench_page(bench: Bench) -> str:
    """Return the HTML document."""
    names = tuple(dict.fromkeys(row.network for row in bench.rows))
    return rendered(
        "bench.html.j2",
        outcome=bench.outcome,
        bench=bench,
        networks=[(name, _by_operation(bench, name)) for name in names],
        pictures={name: of_network(bench, name) for name in names},
        outages=[(outage_text(outage), through_outage(outage)) for outage in bench.outages],
    )


def _by_operation(bench: Bench, network: str) -> list[Row]:
    rows = [row for row in bench.rows if row.network == network]
    order = list(dict.fromkeys(row.operation for row in rows))
    return sorted(rows, key=lambda row: (order.index(row.operation), row.mode))
