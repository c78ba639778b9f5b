"""midpipe fuzz: programs, orders and faults written at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reports.cli.judging import judge
from reports.cli.options import JOBS, OUT, Duration, server_from, subject_from, subject_options
from scenarios.engine.options import Options


@click.command()
@subject_options
@JOBS
@OUT
@click.option(
    "--time-budget",
    "fuzz_s",
    default=60.0,
    show_default=True,
    metavar="TIME",
    type=Duration(1.0),
    help="How long to go on.",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Same seed, same examples.")
@click.pass_context
def fuzz(
    ctx: click.Context, /, jobs: int, out: Path, fuzz_s: float, seed: int, **values: Any
) -> None:
    """Write programs of up to three clients at random, with orders, faults and versions, and run each as a case.

    What falls is made as small as ten seconds allow, and comes with a replay line, like every other finding. A run that
    never lost a reply, never met a duplicate and never saw a lease end is unknown, not a pass.

    \b
    midpipe fuzz --time-budget 10m --seed 7 --subject src/queue.py:SimpleQueue
    """
    options = Options(
        subject=subject_from(values),
        server=server_from(values),
        jobs=jobs,
        seed=seed,
        fuzz_s=fuzz_s,
        latency_bound_ms=values["latency_bound_s"] * 1000,
        parts=("fuzz",),
    )
    ctx.exit(judge(options, out))
