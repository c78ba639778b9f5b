"""midpipe drivers: tabulates what releases of redis-py do with a command whose connection is lost."""

from __future__ import annotations

from typing import Any

import click

from midpipe.reports.cli.options import SERVER, server_from
from midpipe.reports.sinks.drivers import drivers_markdown
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.driver_table import measure_drivers
from midpipe.scenarios.known_bugs.drivers import VERSIONS


@click.command()
@click.option(
    "--release",
    "releases",
    multiple=True,
    default=VERSIONS,
    show_default=True,
    metavar="VERSION",
    help="A release of redis-py; may be repeated.",
)
@SERVER
def drivers(releases: tuple[str, ...], **values: Any) -> None:
    """Tabulate what releases of redis-py do with a command whose connection is lost.

    Installs each release into an environment of its own. Prints Markdown: how often the server ran the command, and
    what the caller learned, for each constructor and each way of calling.

    \b
    midpipe drivers > docs/drivers.md
    midpipe drivers --release 5.3.1 --release 6.0.0
    """
    worker = Worker(server_from(values))
    try:
        rows = []
        for row in measure_drivers(worker, releases):
            click.echo(f"redis-py {row.version}: {row.constructor}, {row.way}", err=True)
            rows.append(row)
        click.echo(drivers_markdown(rows, worker.server.name), nl=False)
    finally:
        worker.close()
