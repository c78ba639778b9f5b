"""midpipe drivers: tabulates what releases of Redis drivers do with a command whose connection is lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import click

from midpipe.faultinject.errors import MidpipeError, UsageError
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.reports.cli.exit_code import code_of
from midpipe.reports.cli.invocation import safe_text
from midpipe.reports.cli.options import SERVER, server_from
from midpipe.reports.sinks.drivers import drivers_markdown
from midpipe.scenarios.drivers.commands import (
    DriverRow,
    measure_cluster,
    measure_releases,
    planned_rows,
)
from midpipe.scenarios.drivers.failovers import measure_failovers
from midpipe.scenarios.drivers.receivers import ReceiverRow, measure_receivers, planned_receivers
from midpipe.scenarios.drivers.registry import DRIVERS, Driver
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

    After Ctrl-C the page has what was measured until then. Exit code 0: every cell was measured; 3: some were not, and
    the page says why.
    """
    chosen = [driver for driver in DRIVERS if driver.name in names]
    if releases and len(chosen) != 1:
        raise UsageError(
            "--release needs the one driver that it belongs to. Name it with --driver."
        )
    spec = server_from(values)
    found = _Found()
    ended: BaseException | None = None
    worker = Worker(spec)
    try:
        try:
            for driver in chosen:
                found.measure(driver, releases or driver.versions, spec, worker)
        except (KeyboardInterrupt, MidpipeError) as error:
            if not found.rows:
                raise
            ended = error
            for driver in chosen:
                found.leave_out(driver, releases or driver.versions, _reason_of(error))
        server = name_without_clock(worker.server)
        click.echo(drivers_markdown(found.rows, found.receivers, server), nl=False)
    finally:
        worker.close()
    if ended is not None:
        raise ended
    reasons = [*(row.reason for row in found.rows), *(row.reason for row in found.receivers)]
    has_unknown = any(reasons)
    ctx.exit(code_of(Outcome.UNKNOWN if has_unknown else Outcome.PASS, is_written=True))


@dataclass(slots=True)
class _Found:
    """What was measured so far, in the order of the page."""

    rows: list[DriverRow] = field(default_factory=list)
    receivers: list[ReceiverRow] = field(default_factory=list)

    def measure(
        self, driver: Driver, versions: Sequence[str], spec: ServerSpec, worker: Worker
    ) -> None:
        """Add what releases of a driver do."""
        if driver.is_of_cluster:
            rows = measure_cluster(spec, driver, versions)
        elif driver.asks_sentinels:
            rows = measure_failovers(spec, driver, versions)
        else:
            rows = measure_releases(worker, driver, versions)
        _take(rows, self.rows)
        if driver.subscribes:
            _take(measure_receivers(spec, driver, versions), self.receivers)

    def leave_out(self, driver: Driver, versions: Sequence[str], reason: str) -> None:
        """Add what of a driver was not measured, for one reason."""
        self.rows += _missing(planned_rows(driver, versions, reason), self.rows)
        self.receivers += _missing(planned_receivers(driver, versions, reason), self.receivers)


def _missing(planned: Iterable[Row], found: Iterable[Row]) -> list[Row]:
    """Return those of the planned rows that are not among those found."""
    known = {_key(row) for row in found}
    return [row for row in planned if _key(row) not in known]


def _key(row: DriverRow | ReceiverRow) -> tuple[str, str, str, str]:
    return row.driver, row.version, row.constructor, row.way


def _reason_of(error: BaseException) -> str:
    """Return why what was left out was not measured."""
    if isinstance(error, MidpipeError):
        return safe_text()(str(error))
    return "The run was interrupted."


def _take(rows: Iterable[Row], found: list[Row]) -> None:
    """Add rows as they are measured, with a reason that is safe to write, and show each on standard error."""
    for measured in rows:
        row = replace(measured, reason=safe_text()(measured.reason))
        # Added first: an interrupt loses no row that was shown.
        found.append(row)
        why = f": not measured: {row.reason}" if row.reason else ""
        click.echo(f"{row.driver} {row.version}: {row.constructor}, {row.way}{why}", err=True)
