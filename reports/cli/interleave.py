"""midpipe interleave: every order of several clients, within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from midpipe.reports.cli.judging import judge
from midpipe.reports.cli.options import (
    FAULTS,
    JOBS,
    OUT,
    PROGRAMS,
    TIME_BUDGET,
    server_from,
    subject_from,
    subject_options,
)
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.model.messages import Sampling
from midpipe.scenarios.programs.registry import program_named

CHECKPOINT = "interleave-checkpoint.json"


@click.command()
@subject_options
@JOBS
@OUT
@TIME_BUDGET
@PROGRAMS
@click.option(
    "--preemptions",
    "max_preemptions",
    default=2,
    show_default=True,
    type=click.IntRange(-1),
    help="How often per run the wire may be taken from a client that could go on; -1 is no bound.",
)
@FAULTS
@click.option(
    "--random",
    "runs",
    default=None,
    metavar="RUNS",
    type=click.IntRange(1),
    help="So many random orders of each program instead of every one.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=int,
    help="Of the random orders; same seed, same orders.",
)
@click.option(
    "--depth",
    default=3,
    show_default=True,
    type=click.IntRange(0, 10),
    help="Of the random priorities (PCT); 0 takes any client at each point.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the last run with this --out, which --time-budget, Ctrl-C or a crash ended; needs the same options.",
)
@click.option(
    "--no-prune",
    is_flag=True,
    help="Run the orders that can't differ or would show nothing new, too.",
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
    """Run every order in which two or three clients' commands can meet, without and with a fault.

    \b
    midpipe interleave --program same-request-twice --subject src/queue.py:SimpleQueue
    midpipe interleave --preemptions -1 --faults 2 --time-budget 10m
    midpipe interleave --preemptions -1 --faults 2 --time-budget 10m --resume
    """
    options = Options(
        subject=subject_from(values),
        server=server_from(values),
        jobs=jobs,
        max_preemptions=None if max_preemptions < 0 else max_preemptions,
        max_interleaved_faults=max_faults,
        prune=not no_prune,
        sampling=Sampling(runs, seed, depth or None) if runs else None,
        time_budget_s=values["time_budget_s"],
        latency_bound_ms=values["latency_bound_s"] * 1000,
        parts=("interleave",),
        programs=tuple(program_named(name).name for name in programs),
        checkpoint=out / CHECKPOINT,
        resumes=resume,
    )
    ctx.exit(judge(options, out / "interleave"))
