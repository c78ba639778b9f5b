"""midpipe durability: kills the server at every command, and simulates power losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.reports.cli.judging import judge
from midpipe.reports.cli.options import (
    JOBS,
    OUT,
    TIME_BUDGET,
    VERBOSE,
    case_options,
    server_from,
    subject_from,
)
from midpipe.reports.cli.selecting import (
    PROGRAM,
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
@TIME_BUDGET
@PROGRAM
@judging_options
@click.option(
    "--persistence",
    multiple=True,
    metavar="MODE",
    type=click.Choice([mode.value for mode in Persistence]),
    help="How the server persists its data, or what takes over; may be repeated. "
    f"{', '.join(Persistence)}; by default each of them.",
)
@click.pass_context
def durability(
    ctx: click.Context,
    /,
    jobs: int,
    out: Path,
    programs: tuple[str, ...],
    persistence: tuple[str, ...],
    **values: Any,
) -> None:
    """Kill the server (SIGKILL) before and after every command, for each way in which it may persist its data.

    Then simulate power losses: start the server on every prefix of what a fault-free run appended to its file. With
    ``replica`` and ``replica-behind`` a replica takes over instead, which is in step or lags behind. A violation counts
    against the queue only if the persistence promises to keep the data, or if the queue promises that an accepted job
    survives its loss: ``durability = "failover"``, which takes a queue that waits for the replica (WAIT), or
    ``durability = "power-loss"``, which takes one that waits for the disk (WAITAOF).

    \b
    midpipe durability --persistence aof-always --subject shop/jobs.py:JobQueue
    midpipe durability --persistence replica-behind
    midpipe durability --persistence replica-behind --env AI_JOBS_WAIT_REPLICAS=1
    """
    modes = tuple(Persistence(mode) for mode in persistence) or tuple(Persistence)
    server = server_from(values)
    if server.is_shared:
        raise UsageError(
            "midpipe does not kill a server that it did not start. "
            "Leave --redis out, or name a binary or an image: --redis embedded:redis-server, --redis docker."
        )
    options = Options(
        subject=subject_from(values),
        server=server,
        jobs=jobs,
        persistence=modes,
        time_budget_s=values["time_budget_s"],
        latency_bound_ms=values["latency_bound_s"] * 1000,
        parts=("durability",),
        programs=programs_from(values, programs),
        judged_by=selection_from(values),
    )
    ctx.exit(judge(options, out / "durability", baseline=values["baseline"]))
