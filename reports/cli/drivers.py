"""midpipe drivers: tabulates what releases of Redis drivers do with a command whose connection is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import click

from midpipe.faultinject.errors import UsageError
from midpipe.reports.cli.exit_code import code_of
from midpipe.reports.cli.invocation import safe_text
from midpipe.reports.cli.options import SERVER, server_from
from midpipe.reports.sinks.drivers import drivers_markdown
from midpipe.scenarios.drivers.commands import DriverRow, measure_cluster, measure_releases
from midpipe.scenarios.drivers.failovers import measure_failovers
from midpipe.scenarios.drivers.receivers import ReceiverRow, measure_receivers
from midpipe.scenarios.drivers.registry import DRIVERS
from midpipe.scenarios.explore.early_start import name_without_clock
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.verdict import Outcome

Row = TypeVar("Row", DriverRow, ReceiverRow)
_NAMES = [driver.name for driver in DRIVERS]


@click.command()
@click.option(
    "--driver",
    "names",
    multiple=True,
    default=_NAMES,
    show_default="all of them",
    metavar="NAME",
    type=click.Choice(_NAMES),
    help=f"A driver; may be repeated: {'; '.join(_NAMES)}.",
)
@click.option(
    "--release",
    "releases",
    multiple=True,
    metavar="VERSION",
    help="A release of the one driver that is named; may be repeated. Default: those of docs/drivers.md.",
)
@SERVER
@click.pass_context
def drivers(
    ctx: click.Context, /, names: tuple[str, ...], releases: tuple[str, ...], **values: Any
) -> None:
    """Tabulate what releases of Redis drivers do with a command whose connection is lost.

    Installs each release into an environment of its own. Prints Markdown: how often the server ran the command, and
    what the caller learned, for each constructor and each way of calling; and whether a subscriber receives messages
    again, and what a client of Sentinels does in a failover. ioredis needs npm, go-redis needs Go.

    \b
    midpipe drivers > docs/drivers.md
    midpipe drivers --driver redis-py --release 5.3.1 --release 6.0.0

    Exit code 0: every cell was measured; 3: some were not, and the page says why.
    """
    chosen = [driver for driver in DRIVERS if driver.name in names]
    if releases and len(chosen) != 1:
        raise UsageError(
            "--release needs the one driver that it belongs to. Name it with --driver."
        )
    spec = server_from(values)
    worker = Worker(spec)
    try:
        rows: list[DriverRow] = []
        receivers: list[ReceiverRow] = []
        for driver in chosen:
            versions = releases or driver.versions
            if driver.is_of_cluster:
                rows += _shown(measure_cluster(spec, driver, versions))
            elif driver.asks_sentinels:
                rows += _shown(measure_failovers(spec, driver, versions))
            else:
                rows += _shown(measure_releases(worker, driver, versions))
            if driver.subscribes:
                receivers += _shown(measure_receivers(spec, driver, versions))
        click.echo(drivers_markdown(rows, receivers, name_without_clock(worker.server)), nl=False)
    finally:
        worker.close()
    has_unknown = any(row.reason for row in rows) or any(row.reason for row in receivers)
    ctx.exit(code_of(Outcome.UNKNOWN if has_unknown else Outcome.PASS, is_written=True))


def _shown(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows, with a reason that is safe to write, and show on standard error which one was measured."""
    for measured in rows:
        row = replace(measured, reason=safe_text()(measured.reason))
        why = f": not measured: {row.reason}" if row.reason else ""
        shown = f"{row.driver} {row.version}: {row.constructor}, {row.way}{why}"
        click.echo(shown, err=True)
        yield row
