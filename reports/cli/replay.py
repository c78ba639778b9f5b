"""midpipe replay: runs one case again, and says whether it still fails."""

from __future__ import annotations

import shlex
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
from midpipe.scenarios.explore.fault_selection import Aim, suits
from midpipe.scenarios.explore.replaying import Replayed, confirmed_replay, replay_case
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.safe_text import map_text, safe_command
from midpipe.scenarios.model.spec import SubjectSpec, replay_command
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

    Ends in 'still fails' (exit code 1), 'now passes' (0), or 'can't be placed any more' (3). If the command at which a
    fault was placed is gone, because of a fix for example, the same fault is injected at every command of the program.
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
        everywhere = _at_every_command(worker, subject, runs[-1], bound_ms)
    finally:
        worker.close()
    if edn_file is not None:
        write_file(edn_file, redaction()(edn(runs[-1].record)))
    console = results()
    render_story(map_text(story_of(runs[-1].record, runs[-1].replay), safe_text()), console)
    if everywhere:
        again = " ".join(filter(None, (subject.options, worker.judged_by.options)))
        ctx.exit(_judged_everywhere(runs[-1], everywhere, again, console))
    ctx.exit(_judged(runs, console))


def _confirmed(worker: Worker, subject: SubjectSpec, text: str, bound_ms: float) -> Replayed:
    name, schedule = parse_replay_string(text, CATALOGUE)
    return confirmed_replay(worker, subject, program_named(name), schedule, bound_ms)


def _at_every_command(
    worker: Worker, subject: SubjectSpec, replayed: Replayed, bound_ms: float
) -> tuple[CaseEnded, ...]:
    """Inject the fault of a case that could not be placed at every command of its program; return the cases.

    Returns:
        Nothing if every step was placed, if there is no fault or there are several, or if it needs a server of its own.
    """
    name, schedule = parse_replay_string(replayed.replay, CATALOGUE)
    faults = [fault for _, fault in schedule.placed]
    if not replayed.unplaced or len(faults) != 1 or not suits(None, faults[0]):
        return ()
    task = SweepTask(
        subject,
        name,
        shard=(0, 1),
        max_faults=1,
        latency_bound_ms=bound_ms,
        aim=Aim(faults=(faults[0].name,)),
    )
    ended = tuple(message for message in worker.do(task) if isinstance(message, CaseEnded))
    return tuple(each for each in ended if each.faults)


def _judged_everywhere(
    replayed: Replayed, cases: Sequence[CaseEnded], again: str, console: Console
) -> int:
    """Print what the fault does at each command of the program, and return the exit code."""
    safe = safe_text()
    for reason in replayed.unplaced:
        say(console, safe(reason))
    say(
        console,
        f"So {cases[0].fault} was injected at every command of the program: {_counted(cases)}.",
    )
    for case in cases:
        if case.violations:
            names = ", ".join(violation.invariant for violation in case.violations)
            line = replay_command(case.replay, safe_command(shlex.split(again)))
            say(console, safe(f"{names}: {line}"))
    if any(case.violations for case in cases):
        say(console, "still fails", "bold red")
        return 1
    doubts = [
        f"{case.replay!r} is invalid: {case.invalid_reason}" for case in cases if not case.valid
    ]
    doubts += [f"{case.replay!r}: {doubt}" for case in cases for doubt in case.unconfirmed]
    if doubts:
        say(console, safe(f"unknown: {doubts[0]}"), "bold yellow")
        return 3
    say(console, "now passes", "bold green")
    return 0


def _counted(cases: Sequence[CaseEnded]) -> str:
    return f"{len(cases)} case{'' if len(cases) == 1 else 's'}"


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
