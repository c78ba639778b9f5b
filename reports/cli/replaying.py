"""What midpipe replay does once its server and its subject are being started: it loads most of midpipe."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.reports.cli.invocation import redaction, safe_text
from midpipe.reports.cli.selecting import selection_from
from midpipe.reports.sinks.as_test import as_test
from midpipe.reports.sinks.console import render_story, results, say
from midpipe.reports.sinks.edn import edn
from midpipe.reports.sinks.writing import write_file
from midpipe.scenarios.case.story import story_of
from midpipe.scenarios.explore.early_start import EarlyStart
from midpipe.scenarios.explore.fault_selection import Aim, suits
from midpipe.scenarios.explore.replaying import confirmed_replay, replay_case
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.evidence import Invariant, Traits
from midpipe.scenarios.model.messages import CaseEnded, OnMachinesClock
from midpipe.scenarios.model.record import Replayed, first_difference
from midpipe.scenarios.model.safe_text import map_text, safe_command
from midpipe.scenarios.model.spec import SubjectSpec, replay_command
from midpipe.scenarios.programs.registry import program_named


def write_test(file: Path, schedule: str, subject: SubjectSpec) -> None:
    """Write the case as a pytest file."""
    write_file(file, as_test(schedule, subject), "--as-test")
    say(results(), f"Written: {file}. Run it with pytest.")


def worker_for(server: ServerSpec, started: EarlyStart, values: dict[str, Any]) -> Worker:
    """Return a worker for what was started, which closes it, with the invariants that the command's options choose.

    Raises:
        UsageError: the options name an invariant or a file that does not exist; the caller closes what was started.
    """
    return Worker(server, judged_by=selection_from(values), started=started)


def _check_clients(schedule: str) -> None:
    """Raise UsageError if the line has a step of a client that its program does not have."""
    name, steps = parse_replay_string(schedule, CATALOGUE)
    clients = program_named(name).clients
    for step in steps.steps:
        if step.position.client not in clients:
            raise UsageError(
                f"The step {str(step)!r} is of client {step.position.client}, and the program {name} has only "
                f"{', '.join(clients)}."
            )


def run_replay(
    worker: Worker,
    subject: SubjectSpec,
    schedule: str,
    bound_ms: float,
    *,
    times: int,
    edn_file: Path | None,
) -> int:
    """Run the case, close the worker, print what happened, and return the exit code.

    Args:
        schedule: a replay string.
        bound_ms: how long a call may take, for a subject that declares no bound.
        times: how often to run it.
        edn_file: where the history of the last run is written; None writes none.

    Raises:
        MidpipeError: the case can't be run.
    """
    try:
        _check_clients(schedule)
        if times == 1:
            runs = [_confirmed(worker, subject, schedule, bound_ms)]
        else:
            # Each run leaves the server with the scripts that the next one needs.
            runs = [
                replay_case(worker, subject, schedule, bound_ms, warms_up=not number)
                for number in range(times)
            ]
        everywhere = _at_every_command(worker, subject, runs[-1], bound_ms)
    finally:
        worker.close()
    if edn_file is not None:
        write_file(edn_file, redaction()(edn(runs[-1].record)), "--edn")
    console = results()
    render_story(map_text(story_of(runs[-1].record, runs[-1].replay), safe_text()), console)
    if worker.fell_back:
        say(console, safe_text()(str(OnMachinesClock(worker.fell_back))))
    if left_out := _left_out(worker.judged_by.invariants.values(), runs[-1].record.traits):
        say(console, safe_text()(f"Not judged, because it does not apply: {', '.join(left_out)}."))
    if everywhere:
        again = " ".join(filter(None, (subject.options, worker.judged_by.options)))
        return _judged_everywhere(runs[-1], everywhere, again, console)
    return _judged(runs, console)


def _left_out(invariants: Iterable[Invariant], traits: Traits) -> tuple[str, ...]:
    """Return the invariants that do not apply to the subject."""
    return tuple(each.id for each in invariants if each.why_not(traits))


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
    return tuple(each for each in ended if each.fault == str(faults[0]))


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
    say(console, "passes", "bold green")
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
        shapes = [run.record.shape() for run in runs]
        where = next(filter(None, (first_difference(shapes[0], shape) for shape in shapes)))
        say(console, safe(f"Note: the runs differ: {where}."))
    failed = sum(bool(run.record.violations) for run in runs)
    if 0 < failed < len(runs):
        say(console, f"unknown: {failed} of {len(runs)} runs violate an invariant", "bold yellow")
        return 3
    say(console, *(("still fails", "bold red") if failed else ("passes", "bold green")))
    return 1 if failed else 0
