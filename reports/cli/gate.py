"""midpipe gate: judges a subject by every part of midpipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from midpipe.reports.cli.fuzz import EXAMPLES
from midpipe.reports.cli.judging import judge
from midpipe.reports.cli.options import (
    FAULTS,
    JOBS,
    OUT,
    TIME_BUDGET,
    Duration,
    matrix_options,
    servers_from,
    subject_from,
)
from midpipe.scenarios.gate.options import PARTS, Options
from midpipe.scenarios.model.verdict import Severity


@click.command()
@matrix_options
@JOBS
@OUT
@TIME_BUDGET
@FAULTS
@click.option(
    "--orders",
    "max_orders",
    default=1000,
    show_default=True,
    type=click.IntRange(0),
    help="Run at most so many orders of each program of several clients, the simplest first; 0 is no bound.",
)
@click.option(
    "--fuzz",
    "fuzz_s",
    default=5.0,
    show_default=True,
    metavar="TIME",
    type=Duration(0.0),
    help="How long to fuzz at the end; 0 leaves fuzzing out.",
)
@click.option(
    "--fail-on",
    default="LOW",
    show_default=True,
    type=click.Choice(["CRITICAL", "HIGH", "MEDIUM", "LOW"]),
    help="The lowest severity that fails the gate.",
)
@click.option(
    "--fail-fast",
    is_flag=True,
    help="Judge the subject first and stop at its first finding that fails the gate; the report says what was not run. "
    "Without such a finding everything is run.",
)
@click.pass_context
def gate(
    ctx: click.Context,
    /,
    jobs: int,
    out: Path,
    max_faults: int,
    max_orders: int,
    fuzz_s: float,
    fail_on: str,
    fail_fast: bool,
    **values: Any,
) -> None:
    """Judge a queue: selfcheck, the review's issues, and then every part of midpipe on the subject.

    \b
    Judge the reference:      midpipe gate
    Judge your queue:         midpipe gate --subject src/queue.py:SimpleQueue
    On several servers:       midpipe gate --redis embedded --redis embedded:redis-server
    The first finding only:   midpipe gate --subject src/queue.py:SimpleQueue --fail-fast
    In its own environment:   midpipe gate --subject app.queue:Queue --path src --python venv/bin/python

    On several servers, selfcheck and the review's issues run on the first one only: they run midpipe's own queues.

    Exit codes: 0 pass, 1 fail, 2 usage or set-up error, 3 unknown, 130 interrupted.
    """
    server, *others = servers_from(values)
    options = Options(
        subject=subject_from(values),
        server=server,
        jobs=jobs,
        max_faults=max_faults,
        max_orders=max_orders or None,
        fuzz_s=fuzz_s,
        examples=out / EXAMPLES,
        parts=PARTS if fuzz_s else tuple(part for part in PARTS if part != "fuzz"),
        time_budget_s=values["time_budget_s"],
        latency_bound_ms=values["latency_bound_s"] * 1000,
        fail_fast=Severity(fail_on) if fail_fast else None,
    )
    ctx.exit(judge(options, out, fail_on, others))
