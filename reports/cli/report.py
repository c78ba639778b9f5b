"""midpipe report: writes the documents again from a stored verdict."""

from __future__ import annotations

from pathlib import Path

import click

from midpipe.reports.cli.exit_code import written
from midpipe.reports.cli.options import VERBOSE, VERDICT_FILE, is_verbose
from midpipe.reports.cli.reporting import shown
from midpipe.reports.sinks.console import results, say
from midpipe.reports.sinks.writing import OutputError, write_reports
from midpipe.reports.verdict_file import read_verdict


@click.command()
@VERDICT_FILE
@click.option(
    "--out",
    default=None,
    show_default="the folder of VERDICT_FILE",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the reports go.",
)
@VERBOSE
@click.pass_context
def report(ctx: click.Context, /, verdict_file: Path, out: Path | None) -> None:
    """Show VERDICT_FILE (default .midpipe/verdict.json) and write its documents again, without running anything."""
    verdict = read_verdict(verdict_file)
    folder = out or verdict_file.parent
    console = results()
    shown(verdict, verdict_file, console, verbose=is_verbose())
    if not written(lambda: write_reports(verdict, folder)):
        ctx.exit(OutputError.exit_code)
    say(console, f"Reports: {folder}; begin with {folder / 'report.html'}")
