"""midpipe campaign: runs the shards of a command on many workers, and makes one verdict of theirs."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from midpipe import __version__
from midpipe.faultinject.errors import UsageError
from midpipe.reports.cli.exit_code import code_of_verdict
from midpipe.reports.cli.extras import require_extra
from midpipe.reports.cli.invocation import command_line
from midpipe.reports.cli.options import FAIL_ON, OUT, VERBOSE
from midpipe.reports.cli.reporting import report_verdict
from midpipe.reports.sinks.campaign_metrics import campaign_metrics
from midpipe.reports.sinks.console import results
from midpipe.reports.sinks.metrics import Metrics
from midpipe.reports.sinks.writing import check_writable
from midpipe.reports.verdict_file import read_verdict
from midpipe.scenarios.campaign.campaign import Plan, Store
from midpipe.scenarios.campaign.merging import combined
from midpipe.scenarios.campaign.progress import CampaignProgress
from midpipe.scenarios.gate.cores import available_cores
from midpipe.scenarios.model.shard import MOST_SHARDS

_SHARDS_PER_WORKER = 4


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument(
    "command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [OPTIONS]..."
)
@click.option(
    "--on",
    default="local",
    show_default=True,
    metavar="WHERE",
    help="The workers: local (one for each core), local:N, or dask://host:port of a Dask scheduler.",
)
@click.option(
    "--shards",
    default=0,
    show_default="4 for each core of this machine",
    type=click.IntRange(0, MOST_SHARDS),
    help="Into how many shards the command is cut.",
)
@click.option(
    "--listen",
    default="",
    metavar="ADDRESS:PORT",
    help="Serve the progress as Prometheus metrics there, at /metrics.",
)
@click.option("--resume", is_flag=True, help="Continue the last campaign with this --out.")
@OUT
@FAIL_ON
@VERBOSE
@click.pass_context
def campaign(
    ctx: click.Context,
    /,
    command: tuple[str, ...],
    on: str,
    shards: int,
    listen: str,
    resume: bool,
    out: Path,
    fail_on: str,
) -> None:
    """Run gate, sweep, interleave, fleet or fuzz on many workers, and make one verdict of theirs.

    \b
    midpipe campaign --on local:4 sweep --subject shop/jobs.py:JobQueue --faults 2
    midpipe campaign --on dask://scheduler:8786 --shards 400 gate \\
      --subject shop.jobs:JobQueue

    The options of the campaign stand before the command. A shard whose worker dies runs again. After Ctrl-C, --resume
    runs what is missing.
    """
    require_extra("campaign", "campaign")
    from midpipe.scenarios.campaign.on_dask import parse_where, run_on

    cores = available_cores()
    where = parse_where(on, cores)
    plan = Plan(command, shards or _SHARDS_PER_WORKER * cores, __version__)
    folder = out / "campaign"
    check_writable(folder)
    store = Store(folder / "shards", plan, resumes=resume)
    progress = CampaignProgress()
    for file in store.files():
        progress.add(read_verdict(file), 0.0)
    began_s = time.monotonic()
    interrupted: BaseException | None = None
    metrics = Metrics()
    stop_serving = metrics.serve(listen) if listen else None
    try:
        for result in run_on(where, plan.arguments, store.missing(), partial(click.echo, err=True)):
            if result.refused:
                raise UsageError(result.refused.removeprefix("midpipe: "))
            verdict = read_verdict(store.add(result.shard, result.verdict))
            row = progress.add(verdict, time.monotonic() - began_s)
            metrics.show(campaign_metrics(row, progress.done, plan.shards))
            click.echo(f"shard {result.shard} is done; in all {progress.done}: {row}", err=True)
    except KeyboardInterrupt as error:
        interrupted = error
    finally:
        if stop_serving is not None:
            stop_serving()
    seconds = time.monotonic() - began_s
    files = store.files()
    if not files:
        raise interrupted or UsageError("No shard was run.")
    verdicts = tuple(map(read_verdict, files))
    # A run that is one shard is judged whole, so there is nothing to combine.
    whole = verdicts[0] if plan.shards == 1 else combined(verdicts, command_line())
    verdict = replace(whole, progress=progress.rows, seconds=round(seconds, 3))
    is_written = report_verdict(verdict, folder, results())
    if interrupted is not None:
        click.echo("The same command with --resume runs the shards that are missing.", err=True)
        raise interrupted
    ctx.exit(code_of_verdict(verdict, fail_on, is_written=is_written))
