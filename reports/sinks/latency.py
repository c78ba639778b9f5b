"""A bench on the terminal: a table for each network, the ratios, and a sentence for each outage."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from midpipe.reports.sinks.console import say
from midpipe.scenarios.latency.results import Bench, Outage, Ratio, Row


def render_bench(bench: Bench, console: Console) -> None:
    """Print the result of a bench; the outcome last."""
    say(
        console,
        f"{bench.machine} · server {bench.server} · {bench.rounds} rounds each · "
        "the machine's clock, because the time of each call is measured",
    )
    for network in dict.fromkeys(row.network for row in bench.rows):
        console.print(_table(network, [row for row in bench.rows if row.network == network]))
    if bench.ratios:
        console.print(_ratios(bench.ratios))
    for outage in bench.outages:
        say(console, outage_text(outage))
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
        ms = row.percentiles
        times = (ms.p50, ms.p90, ms.p99, ms.p999, ms.longest)
        table.add_row(
            *(group if group != last else ("", "")),
            row.subject,
            f"{row.round_trips:g}",
            *(f"{time:.3f}" for time in times),
            str(ms.count),
            str(row.errors or ""),
        )
        last = group
    return table


def _first_seen(rows: list[Row], row: Row) -> int:
    return [known.operation for known in rows].index(row.operation)


def _ratios(ratios: tuple[Ratio, ...]) -> Table:
    title = "Subject / baseline, with 95 % intervals"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("network", "operation", "load"):
        table.add_column(heading, no_wrap=True)
    for heading in ("", "ratio", "from", "to", "difference, ms", "limit"):
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


def outage_text(outage: Outage) -> str:
    """Return what an outage did to a subject's calls, as a sentence."""
    lasted_s = outage.ends_s - outage.begins_s
    again = (
        "no call succeeded afterwards"
        if outage.succeeds_again_s is None
        else f"the first call succeeded {outage.succeeds_again_s:.3f} s after it"
    )
    return (
        f"{outage.subject}: {outage.what} of {lasted_s:.3g} s: {outage.failed} of {len(outage.calls)} calls raised, "
        f"{again}, the longest took {outage.longest_ms:.0f} ms from when it was due"
    )
