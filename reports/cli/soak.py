"""midpipe soak: many jobs under load and faults, each accounted for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from click.core import ParameterSource
from rich.console import Console
from rich.live import Live

from midpipe import __version__
from midpipe.faultinject.errors import MidpipeError
from midpipe.reports.cli.exit_code import code_of, written
from midpipe.reports.cli.extras import require_extra
from midpipe.reports.cli.invocation import command_line, safe_text
from midpipe.reports.cli.options import OUT, Duration, server_from, subject_from, subject_options
from midpipe.reports.cli.signals import stop_asked
from midpipe.reports.sinks.console import results, say
from midpipe.reports.sinks.soak import progress_line, progress_table, render_soak
from midpipe.reports.sinks.writing import check_writable, write_file
from midpipe.scenarios.model.safe_text import map_text
from midpipe.scenarios.soak.plan import CHAOS, SoakPlan, over_days
from midpipe.scenarios.soak.results import Progress, SoakResult
from midpipe.scenarios.soak.soak import Soak

_LINE_EVERY_S = 5.0
_DRAINING = "midpipe: draining and checking what there is; interrupt again to end at once"
_JOBS, _JOBS_A_DAY = 1_000_000, 500
_FORMERLY = {"leg": "segment", "leg-jobs": "segment-jobs"}
"""Former names of options, which are still accepted."""


@click.command(context_settings={"token_normalize_func": lambda name: _FORMERLY.get(name, name)})
@subject_options
@OUT
@click.option(
    "--days",
    default=None,
    type=click.IntRange(1, 366),
    help="Simulate so many days on a stepped clock: load that follows the time of day, keys that expire, leases of "
    "five minutes that end.",
)
@click.option(
    "--jobs-total",
    default=None,
    type=click.IntRange(1, 1_000_000_000),
    help="Number of jobs to enqueue.  [default: 1,000,000; with --days, 500 for each day]",
)
@click.option(
    "--clients",
    default=8,
    show_default=True,
    type=click.IntRange(1, 200),
    help="Number of producers.",
)
@click.option(
    "--workers",
    default=8,
    show_default=True,
    type=click.IntRange(1, 200),
    help="Number of workers.",
)
@click.option(
    "--chaos",
    default="heavy",
    show_default=True,
    type=click.Choice(list(CHAOS)),
    help="Faults to inject: none; cuts, lost replies, crashes and pauses; or every kind, server kills included.",
)
@click.option(
    "--segment-jobs",
    default=20_000,
    show_default=True,
    type=click.IntRange(100, 200_000),
    help="After so many jobs the queue is drained and checked, and the server is emptied.",
)
@click.option(
    "--segment",
    "only_segment",
    default=None,
    type=click.IntRange(1),
    help="Run only this segment, counted from 1.",
)
@click.option(
    "--time-budget",
    "time_budget_s",
    default=None,
    metavar="TIME",
    type=Duration(1.0),
    help="Enqueue no job after that; what was enqueued is drained and checked.",
)
@click.option(
    "--seed", default=0, show_default=True, type=int, help="The same seed gives the same plan."
)
@click.pass_context
def soak(
    ctx: click.Context,
    /,
    out: Path,
    days: int | None,
    jobs_total: int | None,
    clients: int,
    workers: int,
    chaos: str,
    segment_jobs: int,
    only_segment: int | None,
    time_budget_s: float | None,
    seed: int,
    **values: Any,
) -> None:
    """Put many jobs through the queue for a long time, inject all kinds of faults meanwhile, and account for every job.

    Producers and workers run in processes of their own, which midpipe kills and freezes; it kills and stops the server,
    which syncs its append-only file at every write; and it injects wire faults. The history is kept on disk and checked
    segment by segment. A kind of fault that was never injected makes the outcome unknown. Ctrl-C ends the load, then
    drains and checks what there is.

    The soak runs on the machine's clock, because it measures how many jobs a second the queue takes. With --days, it
    runs on a stepped clock: the time in which nothing happens is skipped, so that a month takes minutes. The server
    keeps its data from day to day, and requests are made again shortly before and after the queue may forget them.

    \b
    midpipe soak --jobs-total 100_000 --chaos heavy --seed 7
    midpipe soak --subject shop/jobs.py:JobQueue --time-budget 10m
    midpipe soak --subject shop/jobs.py:JobQueue --days 30
    """
    require_extra("bench", "soak")
    folder = out / "soak"
    check_writable(folder)
    plan = SoakPlan(
        jobs=jobs_total or (days * _JOBS_A_DAY if days else _JOBS),
        clients=clients,
        workers=workers,
        chaos=CHAOS[chaos],
        seed=seed,
        segment_jobs=segment_jobs,
        time_budget_s=time_budget_s,
        only_segment=only_segment or 0,
    )
    if days is not None:
        _refuse_segment_options(ctx)
        plan = over_days(plan, days)
    if plan.only_segment > plan.segment_count:
        raise click.UsageError(
            f"--segment {only_segment}: the plan has {plan.segment_count} segments."
        )
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    soaking = Soak(
        server_from(values),
        subject_from(values),
        plan,
        folder / "history",
        values["latency_bound_s"],
    )
    click.echo(f"midpipe: seed {seed}, chaos {plan.chaos}", err=True)
    failed: MidpipeError | None = None
    try:
        with stop_asked() as asked, _progress_shown() as show:
            is_asked = False
            for progress in soaking.run(asked.is_set):
                if asked.is_set() and not is_asked:
                    is_asked = True
                    click.echo(_DRAINING, err=True)
                show(progress)
    except MidpipeError as error:
        failed = error
        soaking.is_partial = True
    finally:
        soaking.close()
    result = map_text(soaking.result(), safe_text())
    console = results()
    if result.segments or failed is None:
        render_soak(result, console)
    is_written = written(lambda: _write(result, folder, started_at))
    if failed is not None:
        # The result of the earlier segments is shown and written; the error says why there is no more.
        raise failed
    if is_written:
        say(console, f"Reports: {folder / 'soak.json'}; history: {folder / 'history'}")
    if result.is_partial:
        say(console, "The result is partial: the soak was interrupted.", "yellow")
        raise KeyboardInterrupt
    ctx.exit(code_of(result.outcome, is_written=is_written))


def _refuse_segment_options(ctx: click.Context) -> None:
    """Raise UsageError if an option for segments was given, as simulated days depend on the days before."""
    for name, option in (("segment_jobs", "--segment-jobs"), ("only_segment", "--segment")):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{option} does not go with --days: a segment is a third of a day, and each needs those before it."
            )


@contextmanager
def _progress_shown() -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows progress: a live table on a terminal, elsewhere a line every few seconds."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield lambda progress: live.update(progress_table(progress))
        return
    last_s = time.monotonic() - _LINE_EVERY_S

    def show(progress: Progress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _LINE_EVERY_S:
            last_s = time.monotonic()
            click.echo(f"midpipe: {progress_line(progress)}", err=True)

    yield show


def _write(result: SoakResult, folder: Path, started_at: str) -> None:
    document = {
        "midpipe": __version__,
        "command": command_line(),
        "started_at": started_at,
        **msgspec.to_builtins(result),
    }
    write_file(
        folder / "soak.json", msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    )
