"""midpipe merge: makes one verdict of the verdicts on all shards of a run, and writes its reports."""

from __future__ import annotations

from pathlib import Path

import click

from midpipe.reports.baseline_file import read_baseline
from midpipe.reports.cli.exit_code import code_of_verdict
from midpipe.reports.cli.invocation import command_line
from midpipe.reports.cli.options import FAIL_ON, OUT, VERBOSE
from midpipe.reports.cli.reporting import report_verdict
from midpipe.reports.cli.selecting import BASELINE
from midpipe.reports.sinks.console import results
from midpipe.reports.sinks.writing import check_writable
from midpipe.reports.verdict_file import read_verdict
from midpipe.scenarios.campaign.merging import combined
from midpipe.scenarios.gate.options import EXPLORING
from midpipe.scenarios.model.accepted import NO_BASELINE
from midpipe.scenarios.model.baseline import held_against


@click.command()
@click.argument(
    "verdict_files",
    nargs=-1,
    required=True,
    metavar="VERDICT...",
    type=click.Path(dir_okay=False, path_type=Path),
)
@OUT
@FAIL_ON
@BASELINE
@VERBOSE
@click.pass_context
def merge(
    ctx: click.Context,
    /,
    verdict_files: tuple[Path, ...],
    out: Path,
    fail_on: str,
    baseline: Path | None,
) -> None:
    """Make one verdict of the verdicts on all shards of a run, as a single machine would have given it.

    \b
    midpipe sweep --shard 1/2 --out one           on one machine, and on another
    midpipe sweep --shard 2/2 --out two
    midpipe merge one/sweep/verdict.json two/sweep/verdict.json

    If a shard is missing, the verdict is partial, and at best unknown. Exit codes: as of midpipe gate.
    """
    folder = out / "merge"
    check_writable(folder)
    accepted = read_baseline(baseline) if baseline else NO_BASELINE
    merged = combined(tuple(map(read_verdict, verdict_files)), command_line())
    verdict = held_against(merged, accepted, EXPLORING)
    is_written = report_verdict(verdict, folder, results())
    ctx.exit(code_of_verdict(verdict, fail_on, is_written=is_written))
