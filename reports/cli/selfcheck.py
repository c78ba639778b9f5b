"""midpipe selfcheck: every flawed queue is caught, the reference is not."""

from __future__ import annotations

from pathlib import Path

import click

from reports.cli.judging import judge
from reports.cli.options import JOBS, OUT
from scenarios.engine.options import Options


@click.command()
@JOBS
@OUT
@click.pass_context
def selfcheck(ctx: click.Context, /, jobs: int, out: Path) -> None:
    """Show that the checks can fail: each flawed queue must be caught by the invariants it names.

    Prints a matrix flaw × invariant with the shortest case that shows it. Fails if a flaw is missed or the
    reference is accused.
    """
    ctx.exit(judge(Options(jobs=jobs, parts=("selfcheck",)), out))
