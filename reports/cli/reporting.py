"""Shows a verdict, writes its reports, and in a GitHub workflow annotates the code."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click
from rich.console import Console

from midpipe.reports.cli.exit_code import written
from midpipe.reports.cli.options import DEFAULT_OUT, is_verbose
from midpipe.reports.facts import REPORT
from midpipe.reports.sinks.console import say
from midpipe.reports.sinks.details import render_details
from midpipe.reports.sinks.github import is_on_github, step_summary, workflow_commands
from midpipe.reports.sinks.terminal import render_verdict
from midpipe.reports.sinks.writing import SINKS, folder_in_repository, write_reports
from midpipe.scenarios.gate.options import EXPLORING
from midpipe.scenarios.model.verdict import Verdict


def report_verdict(verdict: Verdict, out: Path, console: Console, *, is_shown: bool = True) -> bool:
    """Show the verdict and write the reports; return whether they could be written.

    It is shown first, so it is not lost if the reports can't be written.

    Args:
        out: folder for the reports.
        is_shown: show it on the console.
    """
    if is_shown:
        shown(verdict, out / "verdict.json", console, verbose=is_verbose())
    # The reports on all shards are made of the merged verdict, and take longer than a few cases.
    sinks = SINKS if verdict.shard is None else SINKS[:1]
    is_written = written(lambda: write_reports(verdict, out, sinks))
    _report_on_github(verdict, out)
    if is_written and is_shown:
        page = "" if verdict.shard else f"; begin with {out / 'report.html'}"
        say(console, f"Reports: {out}{page}")
    return is_written


def shown(verdict: Verdict, file: Path, console: Console, *, verbose: bool) -> None:
    """Print a verdict: on one screen, or with every detail; what judges no subject consists of details.

    Args:
        file: where the verdict is stored.
    """
    if verbose or not any(row.name in EXPLORING for row in verdict.parts):
        render_details(verdict, console)
    else:
        is_default = file == Path(DEFAULT_OUT, "verdict.json")
        where = "" if is_default else f" {shlex.quote(str(file))}"
        render_verdict(verdict, console, REPORT + where)


def _report_on_github(verdict: Verdict, out: Path) -> None:
    """In a GitHub workflow, annotate the lines of the findings and add the report to the step's summary."""
    if not is_on_github(os.environ):
        return
    for line in workflow_commands(verdict, folder_in_repository(Path.cwd())):
        click.echo(line)
    summary, report = os.environ.get("GITHUB_STEP_SUMMARY"), out / "summary.md"
    if summary and report.exists():
        with open(summary, "a", encoding="utf-8") as file:
            file.write(step_summary(report.read_text("utf-8")))
