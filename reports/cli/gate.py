"""midpipe gate: judges a subject by every part of midpipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from midpipe.faultinject.errors import UsageError
from midpipe.reports.cli.configuring import configuration_of
from midpipe.reports.cli.judging import judge
from midpipe.reports.cli.options import (
    CORPUS,
    EXAMPLES,
    FAIL_ON,
    FAULTS,
    JOBS,
    OUT,
    SHARD,
    TIME_BUDGET,
    VERBOSE,
    Duration,
    matrix_options,
    servers_from,
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
from midpipe.reports.verdict_file import read_verdict
from midpipe.scenarios.gate.options import EXPLORING, PARTS, Options
from midpipe.scenarios.invariants.selection import ALL
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.spec import REFERENCE

_FROM_BEST_TO_WORST = (0, 3, 2, 1)


@click.command()
@matrix_options
@JOBS
@OUT
@VERBOSE
@SHARD
@TIME_BUDGET
@PROGRAM
@judging_options
@FAULTS
@aiming_options
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
    default="5s",
    show_default=True,
    metavar="TIME",
    type=Duration(0.0),
    help="How long to fuzz at the end; 0 leaves fuzzing out.",
)
@CORPUS
@FAIL_ON
@click.option(
    "--fail-fast",
    is_flag=True,
    help="Stop after the program with the first finding that fails the gate, and report what was not run.",
)
@click.option(
    "--since",
    "since_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An earlier verdict.json: say which findings are new, still there or gone.",
)
@click.option(
    "--with-selfcheck",
    is_flag=True,
    help="After the subject, also judge midpipe's own queues: the flawed ones of selfcheck, and those of reproduce. "
    "Without --subject they are always judged.",
)
@click.option(
    "--and",
    "next_command",
    type=click.Choice(("audit",)),
    help="Run this command after the gate, with its options from [tool.midpipe.audit] and the environment; the exit "
    "code is the worse of the two.",
)
@click.pass_context
def gate(
    ctx: click.Context,
    /,
    jobs: int,
    out: Path,
    programs: tuple[str, ...],
    max_faults: int,
    max_orders: int,
    fuzz_s: float,
    corpus: str,
    fail_on: str,
    fail_fast: bool,
    with_selfcheck: bool,
    since_file: Path | None,
    next_command: str | None,
    **values: Any,
) -> None:
    """Judge a queue by every part of midpipe: sweep, interleave, fleet, durability and fuzz.

    \b
    Judge the reference: midpipe gate
    Judge your queue:    midpipe gate --subject shop/jobs.py:JobQueue
    On several servers:  midpipe gate --redis embedded --redis docker:redis:7
    Stop at a finding:   midpipe gate --subject shop/jobs.py:JobQueue --fail-fast
    Audit afterwards:    midpipe gate --subject shop/jobs.py:JobQueue --and audit
    In its environment:  midpipe gate --subject shop.jobs:JobQueue \\
                           --path src --python venv/bin/python

    With --time-budget, every part gets a share of the time, and the cases that find the most bugs come first. The
    verdict says what the budget cut off. On several servers, each gets an equal share, and midpipe's own queues are
    judged on the first one only. With --fault or --at, only the sweep, the interleaving and the fleet run.

    Exit codes: 0 pass, 1 fail, 2 usage or set-up error, 3 unknown, 130 interrupted.
    """
    # Its options are checked before the gate runs for minutes.
    then = _ready(ctx, next_command, out) if next_command else None
    # Read at once: the run may replace the file.
    since = read_verdict(since_file) if since_file else None
    server, *others = servers_from(values)
    if others and not values["shard"].is_whole:
        raise UsageError("--shard takes one server; run the shards once for each --redis.")
    subject = subject_from(values)
    chosen, aim, judged_by = (
        programs_from(values, programs),
        aim_from(values),
        selection_from(values),
    )
    is_narrowed = bool(chosen or aim or judged_by != ALL)
    if with_selfcheck and is_narrowed:
        raise UsageError(
            "--with-selfcheck runs every program and invariant of midpipe's on its own queues. Leave it out, or leave "
            "out --program, --programs, --only, --skip, --fault and --at."
        )
    with_own = with_selfcheck or (subject.text == REFERENCE and not is_narrowed)
    left_out = {"fuzz"} if chosen or aim or not fuzz_s else set()
    if aim:
        left_out.add("durability")
    parts = tuple(
        part for part in PARTS if part not in left_out and (part in EXPLORING or with_own)
    )
    options = Options(
        subject=subject,
        server=server,
        jobs=jobs,
        shard=values["shard"],
        max_faults=max_faults,
        max_orders=max_orders or None,
        fuzz_s=fuzz_s,
        examples=out / EXAMPLES,
        corpus=corpus,
        parts=parts,
        programs=chosen,
        judged_by=judged_by,
        aim=aim,
        time_budget_s=values["time_budget_s"],
        latency_bound_ms=values["latency_bound_s"] * 1000,
        fail_fast=Severity(fail_on) if fail_fast else None,
    )
    code = judge(options, out, fail_on, others, baseline=values["baseline"], since=since)
    ctx.exit(max(code, _run(then), key=_FROM_BEST_TO_WORST.index) if then else code)


def _ready(ctx: click.Context, name: str, out: Path) -> click.Context:
    """Return the context of another command, with the options that its configuration gives.

    Raises:
        UsageError, click.UsageError: the command can't run with these options.
    """
    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    command = group.get_command(ctx, name)
    assert command is not None
    file = configuration_of(ctx).file
    config = ("--config", str(file)) if file else ()
    return command.make_context(name, ["--out", str(out), *config], parent=ctx.find_root())


def _run(ready: click.Context) -> int:
    """Run a command whose options are known; return its exit code."""
    try:
        with ready:
            ready.command.invoke(ready)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    return 0
