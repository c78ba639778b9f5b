"""midpipe sweep: injects every fault at every position, with one client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

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
@FAULTS
@click.pass_context
def sweep(
    ctx: click.Context,
    /,
    jobs: int,
    out: Path,
    programs: tuple[str, ...],
    max_faults: int,
    **values: Any,
) -> None:
    """Inject every fault at every command of every program of one client.

    \b
    midpipe sweep --program enqueue --faults 2
    """
    options = Options(
        subject=subject_from(values),
        server=server_from(values),
        jobs=jobs,
        shard=values["shard"],
        max_faults=max_faults,
        time_budget_s=values["time_budget_s"],
        latency_bound_ms=values["latency_bound_s"] * 1000,
        parts=("sweep",),
        programs=programs_from(values, programs),
        judged_by=selection_from(values),
        aim=aim_from(values),
    )
    ctx.exit(judge(options, out / "sweep", baseline=values["baseline"]))
