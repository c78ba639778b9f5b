"""midpipe fuzz: generates programs, orders and faults at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from midpipe.reports.cli.judging import judge
from midpipe.reports.cli.options import (
    CORPUS,
    EXAMPLES,
    JOBS,
    OUT,
    SHARD,
    VERBOSE,
    Duration,
    case_options,
    server_from,
    subject_from,
)
from midpipe.reports.cli.selecting import judging_options, selection_from
from midpipe.scenarios.gate.options import Options

PROFILES_S = {"gate": 20.0, "default": 60.0, "nightly": 6 * 3600.0}
CHECKPOINT = "fuzz-checkpoint.json"


@click.command()
@case_options
@JOBS
@OUT
@SHARD
@judging_options
@VERBOSE
@click.option(
    "--profile",
    default="default",
    show_default=True,
    type=click.Choice(list(PROFILES_S)),
    help="How long to run: 20 s, a minute, or 6 hours.",
)
@click.option(
    "--time-budget",
    "fuzz_s",
    default=None,
    metavar="TIME",
    type=Duration(1.0),
    help="How long to run, shrinking included; overrides --profile.",
)
@click.option(
    "--seed", default=0, show_default=True, type=int, help="The same seed gives the same examples."
)
@CORPUS
@click.option(
    "--resume",
    "resumes",
    is_flag=True,
    help="Continue the last run with this --out for the rest of its time; needs the same options.",
)
@click.pass_context
def fuzz(
    ctx: click.Context,
    /,
    jobs: int,
    out: Path,
    profile: str,
    fuzz_s: float | None,
    seed: int,
    corpus: str,
    resumes: bool,
    **values: Any,
) -> None:
    """Generate programs of up to three clients at random, with orders, faults and versions, and run each as a case.

    A failing example is shrunk within the time, reported with a replay line like every other finding, and kept under
    --out, so that the next run tries it first. A run in which no reply was lost, no request repeated, no lease ended,
    no client crashed and no version changed is unknown, not a pass. The report says which combinations of operation,
    command, state of the job and fault were seen, of those that are known to be possible.

    \b
    midpipe fuzz --time-budget 10m --seed 7 --subject shop/jobs.py:JobQueue
    midpipe fuzz --profile nightly
    midpipe fuzz --profile nightly --resume   after Ctrl-C or a crash
    """
    budget_s = PROFILES_S[profile] if fuzz_s is None else fuzz_s
    options = Options(
        subject=subject_from(values),
        server=server_from(values),
        jobs=jobs,
        shard=values["shard"],
        seed=seed,
        fuzz_s=budget_s,
        time_budget_s=budget_s,
        examples=out / EXAMPLES,
        corpus=corpus,
        checkpoint=out / CHECKPOINT,
        resumes=resumes,
        latency_bound_ms=values["latency_bound_s"] * 1000,
        parts=("fuzz",),
        judged_by=selection_from(values),
    )
    ctx.exit(judge(options, out / "fuzz", baseline=values["baseline"]))
