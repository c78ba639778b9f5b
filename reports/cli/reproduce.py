"""midpipe reproduce: shows one issue of the review step by step, or all of them as a table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from midpipe.faultinject.decide.schedule import (
    Schedule,
    did_you_mean,
    parse_replay_string,
    replay_string,
)
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.reports.cli.invocation import safe_text
from midpipe.reports.cli.judging import judge
from midpipe.reports.cli.options import (
    JOBS,
    OUT,
    case_options,
    server_from,
    subject_from,
)
from midpipe.reports.sinks.console import render_story, results, say
from midpipe.scenarios.case.story import story_of
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.issue_row import row_from
from midpipe.scenarios.gate.parts.review import task_for
from midpipe.scenarios.model.messages import HuntDone, SourceDone
from midpipe.scenarios.model.record import CaseRecord, Stepped
from midpipe.scenarios.model.safe_text import map_text, safe_command
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec, replay_command
from midpipe.scenarios.model.verdict import ReviewRow, Status
from midpipe.scenarios.review.issues import ISSUES, Issue
from midpipe.scenarios.review.subjects import SUBJECTS


@click.command()
@click.argument("issue", required=False)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Show all issues as a table: as reviewed, as shipped, reference.",
)
@case_options
@JOBS
@OUT
@click.pass_context
def reproduce(
    ctx: click.Context, /, issue: str | None, everything: bool, jobs: int, out: Path, **values: Any
) -> None:
    """Show the issues that a review found in a queue, on a real server, or whether another queue has them.

    \b
    midpipe reproduce CRITICAL-1   on the queue as reviewed
    midpipe reproduce CRITICAL-1 --subject shop/jobs.py:JobQueue
    midpipe reproduce --all

    One issue: exit code 1 if it was reproduced, 0 if it does not happen, 3 if that is unknown.
    """
    names_a_queue = any(
        ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        for name in ("subject", "queue")
    )
    if everything or issue is None:
        if names_a_queue:
            raise UsageError(
                f"The table is of midpipe's own queues. For another one name an issue: {', '.join(ISSUES)}."
            )
        options = Options(jobs=jobs, parts=("review",), server=server_from(values))
        ctx.exit(judge(options, out / "reproduce"))
    if issue.upper() not in ISSUES:
        raise UsageError(f"The review has no issue {issue!r}.{did_you_mean(issue.upper(), ISSUES)}")
    subject = subject_from(values)
    if not names_a_queue:
        subject = SubjectSpec(SUBJECTS["as reviewed"], environment=subject.environment)
    ctx.exit(_reproduce(ISSUES[issue.upper()], subject, values))


def _reproduce(issue: Issue, subject: SubjectSpec, values: dict[str, Any]) -> int:
    console = results()
    bound_ms = values["latency_bound_s"] * 1000
    say(console, f"{issue.id} ({issue.severity}): {issue.title}", "bold")
    say(console, issue.what)
    say(console, "")
    worker = Worker(server_from(values))
    try:
        row = _checked(worker, issue, subject, bound_ms)
        if row.replay:
            _show(worker, console, subject, row.replay, bound_ms)
            _show_reference(worker, console, row.replay, subject, bound_ms)
    finally:
        worker.close()
    words = {Status.VIOLATED: "reproduced", Status.HOLDS: "does not happen"}
    word = words.get(row.shown, str(row.shown))
    say(console, f"{row.issue} on {row.subject}: {word} ({row.how}). {row.evidence}", "bold")
    if row.replay:
        server = server_from(values).option
        say(console, replay_command(row.replay, safe_command(shlex.split(subject.options)), server))
    return {Status.VIOLATED: 1, Status.HOLDS: 0}.get(row.shown, 3)


def _checked(worker: Worker, issue: Issue, subject: SubjectSpec, bound_ms: float) -> ReviewRow:
    messages = list(worker.do(task_for(issue, subject, bound_ms)))
    done = messages[-1]
    assert isinstance(done, HuntDone | SourceDone)
    return map_text(row_from(issue, subject.text, done), safe_text())


def _show(
    worker: Worker, console: Console, subject: SubjectSpec, replay: str, bound_ms: float
) -> None:
    replayed = replay_case(worker, subject, replay, bound_ms)
    render_story(map_text(story_of(replayed.record, replayed.replay), safe_text()), console)


def _show_reference(
    worker: Worker, console: Console, replay: str, subject: SubjectSpec, bound_ms: float
) -> None:
    """Show the reference in the same program, with the same fault at the command that writes."""
    if subject.text == REFERENCE:
        return
    reference = SubjectSpec(REFERENCE, environment=subject.environment)
    program, schedule = parse_replay_string(replay, CATALOGUE)
    same = replay_string(program, Schedule())
    if schedule.faults:
        record = replay_case(worker, reference, same, bound_ms).record
        same = f"{same} {_place_of_first_write(record)}!{schedule.faults[-1].fault}"
    say(console, "")
    fault = "with the same fault" if schedule.faults else "without a fault"
    say(console, f"The reference, {fault}:", "bold")
    _show(worker, console, reference, same, bound_ms)
    say(console, "")


def _place_of_first_write(record: CaseRecord) -> str:
    """Return the place of the first command that changed something, in the syntax of a schedule."""
    for entry in record.entries:
        if isinstance(entry, Stepped) and entry.after != entry.before:
            return f"{entry.step.event.position}:{entry.step.event.name}"
    return "A1"
