"""midpipe report: the documents again, from a stored verdict."""

from __future__ import annotations

from pathlib import Path

import click

from midpipe.reports.cli.options import DEFAULT_OUT, OUT
from midpipe.reports.sinks.terminal import render_verdict, results, say
from midpipe.reports.sinks.writing import write_reports
from midpipe.reports.verdict_file import read_verdict


@click.command()
@click.argument(
    "verdict_file",
    default=f"{DEFAULT_OUT}/verdict.json",
    type=click.Path(dir_okay=False, path_type=Path),
)
@OUT
def report(verdict_file: Path, out: Path) -> None:
    """Write the documents again from VERDICT_FILE (default .midpipe/verdict.json), without running anything."""
    verdict = read_verdict(verdict_file)
    write_reports(verdict, out)
    console = results()
    render_verdict(verdict, console)
    say(console, f"Reports: {out}")
