"""midpipe interleave: runs every order of several clients' commands, within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from midpipe.faultinject.errors import UsageError
from midpipe.reports.cli.judging import judge
from midpipe.reports.cli.options import (
    FAULTS,
    JOBS,
    OUT,
    SHARD,
    TIME_BUDGET,
    VERBOSE,
    case_options,
    server_from,
    subject_from,
)
from midpipe.reports.cli.selecting import (
    PROGRAM,
    aim_from,
    aiming_options,
    judging_options,
    programs_from,
    selection_from,
)
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.model.messages import Sampling

CHECKPOINT = "interleave-checkpoint.json"


@click.command()
@case_options
@JOBS
@OUT
@VERBOSE
@SHARD
@TIME_BUDGET
@PROGRAM
@judging_options
@aiming_options
@click.option(
    "--preemptions",
    "max_preemptions",
    default=2,
    show_default=True,
    type=click.IntRange(-1),
    help="Preemptions per order: how often another client goes next although the current one could; -1 is no bound.",
)
@FAULTS
@click.option(
    "--random",
    "runs",
    default=None,
    metavar="RUNS",
    type=click.IntRange(1),
    help="Run so many random orders of each program instead of every order.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=int,
    help="Seed of the random orders; the same seed gives the same orders.",
)
@click.option(
    "--depth",
    default=3,
    show_default=True,
    type=click.IntRange(0, 10),
    help="Depth of the random priorities (PCT); 0 picks any client at each point.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the last run with this --out, which --time-budget, Ctrl-C or a crash ended; needs the same options.",
)
@click.option(
    "--no-prune",
    is_flag=True,
    help="Also run orders whose result is known from others.",
)
@click.pass_context
def interleave(
    ctx: click.Context,
    /,
    jobs: int,
    out: Path,
    programs: tuple[str, ...],
    max_preemptions: int,
    max_faults: int,
    runs: int | None,
    seed: int,
    depth: int,
    no_prune: bool,
    resume: bool,
    **values: Any,
) -> None:
    """Run every order of two or three clients' commands, without and with a fault.

    \b
    midpipe interleave --program claim-vs-claim --subject shop/jobs.py:JobQueue
    midpipe interleave --preemptions -1 --faults 2 --time-budget 10m
    midpipe interleave --preemptions -1 --faults 2 --time-budget 10m --resume
    """
    if resume and runs:
        raise UsageError(
            "Random orders can't be resumed. Leave --resume out; another --seed gives other orders."
        )
    options = Options(
        subject=subject_from(values),
        server=server_from(values),
        jobs=jobs,
        shard=values["shard"],
        max_preemptions=None if max_preemptions < 0 else max_preemptions,
        max_interleaved_faults=max_faults,
        prune=not no_prune,
        sampling=Sampling(runs, seed, depth or None) if runs else None,
        time_budget_s=values["time_budget_s"],
        latency_bound_ms=values["latency_bound_s"] * 1000,
        parts=("interleave",),
        programs=programs_from(values, programs),
        judged_by=selection_from(values),
        aim=aim_from(values),
        checkpoint=out / CHECKPOINT,
        resumes=resume,
    )
    ctx.exit(judge(options, out / "interleave", baseline=values["baseline"]))
