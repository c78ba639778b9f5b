"""midpipe fleet: runs two versions of a queue side by side."""

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
    fleet_options,
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
@fleet_options
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
def fleet(
    ctx: click.Context,
    /,
    jobs: int,
    out: Path,
    programs: tuple[str, ...],
    max_faults: int,
    **values: Any,
) -> None:
    """Run two versions of a queue side by side, as in a canary or a roll-out, and roll clients back.

    Without --beside, the versions are the stages of the reference queue's migration, each beside the next, for a queue
    with the same flags: AI_JOBS_NEW_SCHEMA off and on, READ_PREFERS_NEW off and on, READ_FALLBACK_OLD on and off.

    \b
    The plan's stages:  midpipe fleet --subject shop/jobs.py:JobQueue
    New beside old:     midpipe fleet --subject new.py:Queue --beside old.py:Queue
    A flag of your own: midpipe fleet --subject shop/jobs.py:JobQueue \\
                          --beside-env NEW_QUEUE=on
    """
    options = Options(
        subject=subject_from(values),
        server=server_from(values),
        jobs=jobs,
        shard=values["shard"],
        max_fleet_faults=max_faults,
        time_budget_s=values["time_budget_s"],
        latency_bound_ms=values["latency_bound_s"] * 1000,
        parts=("fleet",),
        programs=programs_from(values, programs),
        judged_by=selection_from(values),
        aim=aim_from(values),
    )
    ctx.exit(judge(options, out / "fleet", baseline=values["baseline"]))
