"""midpipe audit: what is lost, orphaned, stuck, doubled, malformed or diverging in a live queue, read-only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.external import parse_url
from midpipe.reports.cli.exit_code import EXIT_CODES, code_of, written
from midpipe.reports.cli.invocation import safe_text
from midpipe.reports.cli.options import OUT, Duration, ParamType
from midpipe.reports.cli.signals import StopRequest, stop_asked
from midpipe.reports.sinks.audit import (
    audit_json,
    audit_markdown,
    audit_page,
    progress_line,
    render_audit,
)
from midpipe.reports.sinks.audit_metrics import audit_metrics
from midpipe.reports.sinks.console import results, say
from midpipe.reports.sinks.metrics import Metrics
from midpipe.reports.sinks.writing import check_writable, write_file
from midpipe.scenarios.audit.audit import AuditPlan
from midpipe.scenarios.audit.audit import audit as audit_once
from midpipe.scenarios.audit.layouts import layout_named
from midpipe.scenarios.audit.results import AuditResult, Progress
from midpipe.scenarios.audit.throttle import Limits
from midpipe.scenarios.model.outcome import Outcome
from midpipe.scenarios.model.safe_text import map_text

_LINE_EVERY_S = 5.0


class _Share(ParamType):
    """A share: ``5%`` or ``0.05``; more than 0, 1 at most."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the share as a number."""
        text = str(value)
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{text!r} is not a share; write 5% or 0.05.", param, ctx)
        if not 0 < share <= 1:
            self.fail(f"{text!r} must be more than 0% and at most 100%.", param, ctx)
        return share


class _Threshold(ParamType):
    """A field of INFO with a number: ``instantaneous_ops_per_sec=20000``."""

    name = "threshold"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Return the field and its number."""
        name, _, number = str(value).partition("=")
        try:
            return name, float(number)
        except ValueError:
            self.fail(
                f"{value!r} is not a field of INFO with a number; write used_memory=8e9.",
                param,
                ctx,
            )


@click.command()
@click.option(
    "--redis",
    "url",
    required=True,
    envvar="MIDPIPE_AUDIT_REDIS",
    show_envvar=True,
    metavar="URL",
    help="The server: redis://[user:password@]host[:port][/database], rediss://… for TLS, or unix:///path. "
    "A replica, if there is one.",
)
@click.option(
    "--layout",
    default="reviewed",
    show_default=True,
    metavar="NAME|FILE",
    help="What a consistent key space is: reviewed, reference, a library such as rq, or a file of your own.",
)
@click.option(
    "--phase",
    default="",
    help="The phase of the migration, for layouts with phases: old, dual, backfilled, new.  [default: the first]",
)
@click.option("--prefix", default="", help="Stands before every key of the layout.")
@click.option(
    "--settle",
    "settle_s",
    default=None,
    metavar="TIME",
    type=Duration(0.1),
    help="Check each suspect again after this time: at least the longest lease, or job.  [default: the layout's]",
)
@click.option(
    "--sample",
    default=1.0,
    metavar="SHARE",
    type=_Share(),
    help="Check this share of the jobs, such as 5%; the same jobs each time.  [default: all]",
)
@click.option(
    "--max-ops",
    "ops_s",
    default=2000.0,
    show_default=True,
    type=click.FloatRange(1.0),
    help="Commands per second at most.",
)
@click.option(
    "--max-latency",
    "latency_ms",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0.1),
    help="Wait while a PING takes so many ms longer than at the beginning.",
)
@click.option(
    "--max-lag",
    "lag_s",
    default="30s",
    show_default=True,
    metavar="TIME",
    type=Duration(0.0),
    help="Wait while the replica is further behind.",
)
@click.option(
    "--max-load",
    "load",
    multiple=True,
    metavar="FIELD=NUMBER",
    type=_Threshold(),
    help="Wait while a field of INFO is above a number, such as instantaneous_ops_per_sec=20000; may be repeated.",
)
@click.option(
    "--critical-load",
    "critical",
    multiple=True,
    metavar="FIELD=NUMBER",
    type=_Threshold(),
    help="End the audit if a field of INFO is above a number; may be repeated.",
)
@click.option(
    "--pause-file",
    default=None,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Wait while this file exists.",
)
@click.option(
    "--state",
    default=None,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep in this file how far the audit is; the same command goes on from there.",
)
@click.option(
    "--max-unseen",
    "most_unseen",
    default=0.01,
    metavar="SHARE",
    type=_Share(),
    help="If more of the jobs could not be judged, the outcome is unknown.  [default: 1%]",
)
@click.option(
    "--allow-writer",
    is_flag=True,
    help="Accept a user who may write. The audit sends no write, but nothing besides its own code prevents it.",
)
@click.option(
    "--textfile",
    default=None,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures for Prometheus's node_exporter to this file.",
)
@click.option(
    "--watch",
    "watch_s",
    default=None,
    metavar="TIME",
    type=Duration(0.1),
    help="Audit again this long after each audit, until interrupted, and serve /metrics.",
)
@click.option(
    "--listen",
    default="127.0.0.1:9469",
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where --watch serves /metrics.",
)
@OUT
@click.pass_context
def audit(
    ctx: click.Context,
    /,
    url: str,
    layout: str,
    phase: str,
    prefix: str,
    settle_s: float | None,
    sample: float,
    ops_s: float,
    latency_ms: float,
    lag_s: float,
    load: tuple[tuple[str, float], ...],
    critical: tuple[tuple[str, float], ...],
    pause_file: Path | None,
    state: Path | None,
    most_unseen: float,
    allow_writer: bool,
    textfile: Path | None,
    watch_s: float | None,
    listen: str,
    out: Path,
) -> None:
    """Read a live queue's keys, without writing, and report what is wrong with its jobs.

    Lost, orphaned, stuck, doubled, malformed, diverging between two schemas. A job in flight may look like that for a
    moment, so every suspect is checked again after --settle; only what is the same then counts. The user must not be
    able to write; otherwise the command that makes such a user is shown.

    \b
    midpipe audit --redis redis://midpipe-audit:…@replica:6379/0 \\
      --layout reviewed --phase dual --state audit.json
    midpipe audit --redis redis://127.0.0.1:6379/0 --layout rq --sample 5%
    """
    check_writable(out)
    plan = AuditPlan(
        where=parse_url(url, may_be_remote=True),
        layout=layout_named(layout, phase, prefix),
        prefix=prefix,
        limits=Limits(ops_s, latency_ms, lag_s, dict(load), dict(critical)),
        sample=sample,
        settle_s=settle_s,
        state=state,
        pause_file=pause_file,
        most_unseen=most_unseen,
        allow_writer=allow_writer,
    )
    metrics = Metrics()
    reports = _Reports(out / "audit", textfile, metrics)
    with stop_asked() as asked, _progress_shown() as show:

        def once() -> AuditResult:
            return map_text(audit_once(plan, show, asked.is_set), safe_text())

        if watch_s is not None:
            stop_serving = metrics.serve(listen)
            click.echo(f"midpipe: http://{listen}/metrics", err=True)
            try:
                code = _watched(once, reports, asked, watch_s)
            finally:
                stop_serving()
            ctx.exit(code)
        result = once()
    is_written = reports.take(result)
    if result.is_partial:
        if state is not None:
            say(results(), "The same command goes on from here.")
        if not result.ended_by:
            raise KeyboardInterrupt
    ctx.exit(code_of(result.outcome, is_written=is_written))


@dataclass(frozen=True, slots=True)
class _Reports:
    """Where the results of an audit go."""

    folder: Path
    textfile: Path | None
    metrics: Metrics

    def take(self, result: AuditResult) -> bool:
        """Show a result and write it; return whether it could be written."""
        console = results()
        render_audit(result, console)
        if not result.is_partial:
            self.metrics.show(audit_metrics(result, time.time()))
        is_written = written(lambda: self._write(result))
        if is_written:
            say(console, f"Reports: {self.folder}")
        return is_written

    def _write(self, result: AuditResult) -> None:
        write_file(self.folder / "audit.json", audit_json(result))
        write_file(self.folder / "audit.md", audit_markdown(result))
        write_file(self.folder / "audit.html", audit_page(result))
        if result.is_partial:
            # Prometheus keeps the figures of the last whole audit, and with them its time.
            return
        write_file(self.folder / "audit.prom", self.metrics.text())
        if self.textfile is not None:
            write_file(self.textfile, self.metrics.text(), "--textfile")


def _watched(
    once: Callable[[], AuditResult], reports: _Reports, asked: StopRequest, watch_s: float
) -> int:
    """Audit again and again until asked to stop; return the exit code of the last whole audit."""
    code = EXIT_CODES[Outcome.UNKNOWN]
    while not asked.is_set():
        try:
            result = once()
            ended_by = result.ended_by
        except ServerError as error:
            ended_by = safe_text()(str(error))
        if ended_by:
            # The next audit may find it well again; until then the time of the last one stands still.
            click.echo(f"midpipe: {ended_by}", err=True)
        elif not result.is_partial:
            code = code_of(result.outcome, is_written=reports.take(result))
        asked.wait(watch_s)
    return code


@contextmanager
def _progress_shown() -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows progress: a status line on a terminal, elsewhere a line every few seconds."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("audit") as status:
            yield lambda progress: status.update(progress_line(progress))
        return
    last_s = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _LINE_EVERY_S:
            last_s = time.monotonic()
            click.echo(f"midpipe: {progress_line(progress)}", err=True)

    yield show
