"""A bench as Markdown: a table for each network, the ratios, and a sentence for each outage. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from midpipe.reports.sinks.latency import outage_text
from midpipe.scenarios.latency.results import Bench


def bench_markdown(bench: Bench) -> str:
    """Return the document."""
    about = f"{bench.machine} · {bench.server} · {bench.rounds} rounds each · {bench.started_at}"
    lines = [f"`{bench.command}`", "", about, ""]
    for network in dict.fromkeys(row.network for row in bench.rows):
        lines += [f"### Latency in ms, {network}", "", *_latencies(bench, network), ""]
    if bench.ratios:
        lines += ["### Subject / baseline, with 95 % intervals", "", *_ratios(bench), ""]
    if bench.outages:
        lines += [
            "### Through an outage",
            "",
            *(f"- {outage_text(each)}" for each in bench.outages),
            "",
        ]
    return "\n".join(lines)


def _latencies(bench: Bench, network: str) -> Iterator[str]:
    yield _row(
        [
            "operation",
            "load",
            "subject",
            "trips",
            "p50",
            "p90",
            "p99",
            "p99.9",
            "max",
            "calls",
            "errors",
        ],
    )
    yield _row(["---"] * 3 + ["---:"] * 8)
    rows = [row for row in bench.rows if row.network == network]
    order = list(dict.fromkeys(row.operation for row in rows))
    for row in sorted(rows, key=lambda row: (order.index(row.operation), row.mode)):
        ms = row.percentiles
        times = (ms.p50, ms.p90, ms.p99, ms.p999, ms.longest)
        yield _row(
            [
                row.operation,
                row.mode,
                row.subject,
                f"{row.round_trips:g}",
                *(f"{time:.3f}" for time in times),
                str(ms.count),
                str(row.errors),
            ]
        )


def _ratios(bench: Bench) -> Iterator[str]:
    yield _row(
        ["network", "operation", "load", "percentile", "ratio", "from", "to", "difference, ms"]
    )
    yield _row(["---"] * 3 + ["---:"] * 5)
    for ratio in bench.ratios:
        yield _row(
            [
                ratio.network,
                ratio.operation,
                ratio.mode,
                f"p{ratio.percentile:g}",
                *(f"{each:.2f}" for each in (ratio.ratio, ratio.low, ratio.high)),
                f"{ratio.difference_ms:+.3f}",
            ]
        )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
