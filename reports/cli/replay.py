"""midpipe replay: runs one case again, and says whether it still fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.reports.cli.invocation import redaction, safe_text
from midpipe.reports.cli.options import case_options, fleet_options, server_from, subject_from
from midpipe.reports.cli.selecting import OWN_PROGRAMS, selection_from
from midpipe.reports.sinks.as_test import as_test
from midpipe.reports.sinks.console import render_story, results, say
from midpipe.reports.sinks.edn import edn
from midpipe.reports.sinks.writing import write_file
from midpipe.scenarios.case.story import story_of
from midpipe.scenarios.explore.replaying import Replayed, confirmed_replay, replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.safe_text import map_text
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import program_named


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
    midpipe replay 'enqueue-with-request-id: A2:HSET!cut-before' --subject src/queue.py:SimpleQueue

    Ends in 'still fails' (exit code 1), 'now passes' (0), or 'can't be placed any more' (3).
    """
    if test_file is not None:
        write_file(test_file, as_test(schedule, subject_from(values)))
        say(results(), f"Written: {test_file}. Run it with pytest.")
        return
    worker = Worker(server_from(values), judged_by=selection_from(values))
    try:
        subject = subject_from(values)
        bound_ms = values["latency_bound_s"] * 1000
        if times == 1:
            runs = [_confirmed(worker, subject, schedule, bound_ms)]
        else:
            runs = [replay_case(worker, subject, schedule, bound_ms) for _ in range(times)]
    finally:
        worker.close()
    if edn_file is not None:
        write_file(edn_file, redaction()(edn(runs[-1].record)))
    console = results()
    render_story(map_text(story_of(runs[-1].record, runs[-1].replay), safe_text()), console)
    ctx.exit(_judged(runs, console))


def _confirmed(worker: Worker, subject: SubjectSpec, text: str, bound_ms: float) -> Replayed:
    name, schedule = parse_replay_string(text, CATALOGUE)
    return confirmed_replay(worker, subject, program_named(name), schedule, bound_ms)


def _judged(runs: Sequence[Replayed], console: Console) -> int:
    """Print what the runs say, and return the exit code. A violation counts, not the order of commands."""
    safe = safe_text()
    histories = len({run.record.shape() for run in runs})
    if len(runs) > 1:
        noun = "history" if histories == 1 else "histories"
        say(console, f"{len(runs)} runs, {histories} different {noun}")
    unplaced = next((run.unplaced for run in runs if run.unplaced), ())
    for reason in unplaced:
        say(console, safe(reason))
    if unplaced:
        say(console, "can't be placed any more", "bold yellow")
        return 3
    if invalid := [run.record.invalid_reason for run in runs if not run.record.is_valid]:
        say(console, safe(f"unknown: {invalid[0]}"), "bold yellow")
        return 3
    for doubt in runs[0].record.unconfirmed:
        say(console, safe(f"unknown: {doubt}"), "bold yellow")
        return 3
    if histories > 1:
        say(console, "Note: the order of the commands, or what they did, differs between the runs.")
    failed = sum(bool(run.record.violations) for run in runs)
    if 0 < failed < len(runs):
        say(console, f"unknown: {failed} of {len(runs)} runs violate an invariant", "bold yellow")
        return 3
    say(console, *(("still fails", "bold red") if failed else ("now passes", "bold green")))
    return 1 if failed else 0
