"""midpipe replay: runs one case again, and says whether it still fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from midpipe.reports.cli.options import (
    OWN_PROGRAMS,
    case_options,
    fleet_options,
    server_from,
    subject_from,
)
from midpipe.scenarios.explore.early_start import start_early


@click.command()
@click.argument("schedule")
@case_options
@fleet_options
@OWN_PROGRAMS
@click.option(
    "--times", default=1, show_default=True, type=click.IntRange(1), help="How often to run it."
)
@click.option(
    "--edn",
    "edn_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the history of the last run there as EDN, for Jepsen's checkers, knossos and elle-cli.",
)
@click.option(
    "--as-test",
    "test_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the case there as a pytest file instead of running it.",
)
@click.pass_context
def replay(
    ctx: click.Context,
    /,
    schedule: str,
    times: int,
    edn_file: Path | None,
    test_file: Path | None,
    **values: Any,
) -> None:
    """Run the case that a replay line names, and show it step by step.

    \b
    midpipe replay 'enqueue: A1:RPUSH!lost-reply' --subject shop/jobs.py:JobQueue

    Ends in 'still fails' (exit code 1), 'passes' (0), or 'can't be placed any more' (3). If the command at which a
    fault was placed is gone, because of a fix for example, the same fault is injected at every command of the program.
    """
    if test_file is not None:
        from midpipe.reports.cli.replaying import write_test

        write_test(test_file, schedule, subject_from(values))
        return
    server, subject = server_from(values), subject_from(values)
    started = start_early(server, subject)
    try:
        # Takes as long as loading the subject, which happens meanwhile.
        from midpipe.reports.cli.replaying import run_replay, worker_for

        worker = worker_for(server, started, values)
    except BaseException:
        started.close()
        raise
    bound_ms = values["latency_bound_s"] * 1000
    ctx.exit(run_replay(worker, subject, schedule, bound_ms, times=times, edn_file=edn_file))
