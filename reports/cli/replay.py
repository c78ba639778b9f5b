"""midpipe replay: one case again, and whether it still fails."""

from __future__ import annotations

from typing import Any

import click

from midpipe.reports.cli.options import fleet_options, server_from, subject_from, subject_options
from midpipe.reports.sinks.terminal import render_story, results, say
from midpipe.scenarios.case.story import story_of
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker


@click.command()
@click.argument("schedule")
@subject_options
@fleet_options
@click.option(
    "--times", default=1, show_default=True, type=click.IntRange(1), help="Run it so many times."
)
@click.pass_context
def replay(ctx: click.Context, /, schedule: str, times: int, **values: Any) -> None:
    """Run the case that a replay string names, and tell it step by step.

    \b
    midpipe replay 'enqueue-with-request-id: A2:HSET!cut-before' --subject src/queue.py:SimpleQueue

    Ends in 'still fails' (exit code 1), 'now passes' (0), or 'can't be placed any more' (3).
    """
    worker = Worker(server_from(values))
    try:
        subject = subject_from(values)
        runs = [
            replay_case(worker, subject, schedule, values["latency_bound_s"] * 1000)
            for _ in range(times)
        ]
    finally:
        worker.close()
    console = results()
    last = runs[-1]
    render_story(story_of(last.record, last.replay), console)
    shapes = {run.record.shape() for run in runs}
    if times > 1:
        histories = "history" if len(shapes) == 1 else "histories"
        say(console, f"{times} runs, {len(shapes)} different {histories}")
    for reason in last.unplaced:
        say(console, reason)
    if last.unplaced:
        say(console, "can't be placed any more", "bold yellow")
        ctx.exit(3)
    if len(shapes) > 1 or not last.record.is_valid:
        say(console, f"unknown: {last.record.invalid_reason or 'the runs differ'}", "bold yellow")
        ctx.exit(3)
    if last.record.violations:
        say(console, "still fails", "bold red")
        ctx.exit(1)
    say(console, "now passes", "bold green")
