"""A bench on the terminal: a table per network, the ratios in sentences, and how each came through the outage."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from midpipe.reports.sinks.terminal import say
from midpipe.scenarios.latency.figures import Ratio
from midpipe.scenarios.latency.results import Bench, Outage, Row


def render_bench(bench: Bench, console: Console) -> None:
    """Show the whole bench; the outcome last."""
    say(console, f"{bench.machine} · server {bench.server} · {bench.rounds} rounds each")
    for network in dict.fromkeys(row.network for row in bench.rows):
        console.print(_table(network, [row for row in bench.rows if row.network == network]))
    if bench.ratios:
        console.print(_ratios(bench.ratios))
    for outage in bench.outages:
        say(console, told(outage))
    say(console, f"midpipe: {bench.outcome.upper()}")


def _table(network: str, rows: list[Row]) -> Table:
    table = Table(title=f"Latency in ms, {network}", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("operation", "load", "subject"):
        table.add_column(heading, no_wrap=True)
    for heading in ("trips", "p50", "p90", "p99", "p99.9", "max", "calls", "errors"):
        table.add_column(heading, justify="right", no_wrap=True)
    last = ("", "")
    for row in sorted(rows, key=lambda row: (_first_seen(rows, row), row.mode)):
        group = (row.operation, row.mode)
        found = row.percentiles
        times = (found.p50, found.p90, found.p99, found.p999, found.longest)
        table.add_row(
            *(group if group != last else ("", "")),
            row.subject,
            f"{row.round_trips:g}",
            *(f"{ms:.3f}" for ms in times),
            str(found.count),
            str(row.errors or ""),
        )
        last = group
    return table


def _first_seen(rows: list[Row], row: Row) -> int:
    return [known.operation for known in rows].index(row.operation)


def _ratios(ratios: tuple[Ratio, ...]) -> Table:
    title = "The subject over the baseline, with 95 % intervals"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("network", "operation", "load"):
        table.add_column(heading, no_wrap=True)
    for heading in ("", "ratio", "from", "to", "more by ms", "asked"):
        table.add_column(heading, justify="right", no_wrap=True)
    for ratio in ratios:
        limit = "" if ratio.limit is None else f"≤ {ratio.limit:g}: {ratio.outcome}"
        table.add_row(
            ratio.network,
            ratio.operation,
            ratio.mode,
            f"p{ratio.percentile:g}",
            f"{ratio.ratio:.2f}",
            f"{ratio.low:.2f}",
            f"{ratio.high:.2f}",
            f"{ratio.difference_ms:+.3f}",
            limit,
        )
    return table


def told(outage: Outage) -> str:
    """Return how a subject came through an outage, as a sentence."""
    lasted = outage.ends_s - outage.begins_s
    again = (
        "no call succeeded again"
        if outage.succeeds_again_s is None
        else f"the first call succeeded {outage.succeeds_again_s:.3f} s after it"
    )
    return (
        f"{outage.subject}: {outage.what} of {lasted:.3g} s: {outage.failed} of {len(outage.calls)} calls raised, "
        f"{again}, the longest took {outage.longest_ms:.0f} ms from when it was due"
    )
