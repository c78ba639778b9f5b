"""midpipe selfcheck: checks that every flawed queue is caught and the reference is not accused."""

from __future__ import annotations

from pathlib import Path

import click

from midpipe.reports.cli.judging import judge
from midpipe.reports.cli.options import JOBS, OUT, VERBOSE, Duration
from midpipe.scenarios.gate.options import Options

_BY = {"programs": ("programs",), "fuzz": ("fuzz",), "both": ("programs", "fuzz")}


@click.command()
@JOBS
@OUT
@VERBOSE
@click.option(
    "--by",
    default="programs",
    show_default=True,
    type=click.Choice(list(_BY)),
    help="How to look for the flaws: by the programs written for them (sweep, orders, fleets), by fuzzing alone, or by "
    "both, side by side.",
)
@click.option(
    "--flaw-budget",
    "flaw_budget_s",
    default="2m",
    show_default=True,
    metavar="TIME",
    type=Duration(1.0),
    help="How long to fuzz each queue, at most.",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of the fuzzing.")
@click.pass_context
def selfcheck(
    ctx: click.Context, /, jobs: int, out: Path, by: str, flaw_budget_s: float, seed: int
) -> None:
    """Show that the checks can fail: each flawed queue must violate the invariants that it names.

    Prints a table of flaws and invariants with the shortest case that shows each, and how soon it was found. Fails if a
    flaw is missed or the reference is accused.

    \b
    midpipe selfcheck --by both --flaw-budget 1m
    """
    options = Options(
        jobs=jobs,
        parts=("selfcheck",),
        seed=seed,
        selfcheck_by=_BY[by],
        flaw_budget_s=flaw_budget_s,
    )
    ctx.exit(judge(options, out / "selfcheck"))
