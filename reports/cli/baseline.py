"""midpipe baseline: accepts the findings of a verdict, so that a later run fails on new ones only."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from midpipe.reports.baseline_file import baseline_text, read_baseline
from midpipe.reports.cli.exit_code import written
from midpipe.reports.cli.options import VERDICT_FILE
from midpipe.reports.sinks.console import results, say
from midpipe.reports.sinks.writing import OutputError, write_file
from midpipe.reports.verdict_file import read_verdict
from midpipe.scenarios.model.accepted import NO_BASELINE
from midpipe.scenarios.model.baseline import baseline_of


@click.command()
@VERDICT_FILE
@click.option(
    "--reason",
    required=True,
    metavar="TEXT",
    help="Why the findings are accepted; those that the file has already keep their reason and date.",
)
@click.option(
    "--to",
    "path",
    default=Path("midpipe-baseline.json"),
    show_default=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.",
)
@click.pass_context
def baseline(ctx: click.Context, /, verdict_file: Path, reason: str, path: Path) -> None:
    """Accept the findings of VERDICT_FILE (default .midpipe/verdict.json) by writing them into a file for --baseline.

    \b
    midpipe gate                                        fails on known findings
    midpipe baseline --reason "SHOP-123, next sprint"   accepts them
    midpipe gate --baseline midpipe-baseline.json       fails on new ones only

    A finding that the verdict does not have any more is taken out of the file.
    """
    verdict = read_verdict(verdict_file)
    before = read_baseline(path) if path.exists() else NO_BASELINE
    today = datetime.now(UTC).date().isoformat()
    accepted = baseline_of(verdict, reason, today, before)
    if not written(lambda: write_file(path, baseline_text(accepted), "--to")):
        ctx.exit(OutputError.exit_code)
    count = len(accepted.findings)
    say(results(), f"{path} accepts {count} finding{'' if count == 1 else 's'}.")
