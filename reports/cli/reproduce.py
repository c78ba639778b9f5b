"""midpipe reproduce: one finding of the review, told step by step, or all of them as a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from faultinject.decide.schedule import did_you_mean
from faultinject.errors import UsageError
from reports.cli.judging import judge
from reports.cli.options import JOBS, OUT, server_from, subject_from, subject_options
from reports.sinks.terminal import render_story
from scenarios.engine.gate import Options
from scenarios.engine.tasks import HuntDone
from scenarios.engine.story import story_of
from scenarios.engine.worker import Worker
from scenarios.review.issues import ISSUES, Issue
from scenarios.review.subjects import SUBJECTS
from scenarios.review.trying import row_from_hunt, row_from_source, task_for
from scenarios.subjects.spec import REFERENCE, SubjectSpec
from scenarios.verdict import ReviewRow, Status


@click.command()
@click.argument("issue", required=False)
@click.option("--all", "everything", is_flag=True, help="All issues as a table: as reviewed, as shipped, reference.")
@subject_options
@JOBS
@OUT
@click.pass_context
def reproduce(
    ctx: click.Context, issue: str | None, everything: bool, jobs: int, out: Path, **values: Any
) -> None:
    """Reproduce what the review claims, on a real server.

    \b
    midpipe reproduce CRITICAL-1                              the queue as reviewed, step by step
    midpipe reproduce CRITICAL-1 --subject src/queue.py:Queue
    midpipe reproduce --all

    One issue: exit code 1 if it was reproduced, 0 if it does not happen, 3 if that can't be told.
    """
    if everything or issue is None:
        ctx.exit(judge(Options(jobs=jobs, parts=("review",), server=server_from(values)), out))
    if issue.upper() not in ISSUES:
        raise UsageError(f"The review has no issue {issue!r}.{did_you_mean(issue.upper(), ISSUES)}")
    subject = subject_from(values)
    if "--subject" not in " ".join(sys.argv) and subject.text == REFERENCE:
        subject = SubjectSpec(SUBJECTS["as reviewed"], environment=subject.environment)
    ctx.exit(_reproduce(ISSUES[issue.upper()], subject, values))


def _reproduce(issue: Issue, subject: SubjectSpec, values: dict[str, Any]) -> int:
    console = Console()
    console.print(f"{issue.id} ({issue.severity}): {issue.title}", style="bold", highlight=False)
    console.print(issue.what, highlight=False)
    worker = Worker(server_from(values))
    try:
        row = _tried(worker, issue, subject, values["latency_bound_s"] * 1000)
        _tell(worker, console, row, subject, values["latency_bound_s"] * 1000)
    finally:
        worker.close()
    return {Status.VIOLATED: 1, Status.HOLDS: 0}.get(row.shown, 3)


def _tried(worker: Worker, issue: Issue, subject: SubjectSpec, bound_ms: float) -> ReviewRow:
    task = task_for(issue, subject, bound_ms)
    if task is None:
        return row_from_source(issue, subject.text, subject)
    done = [message for message in worker.do(task) if isinstance(message, HuntDone)]
    return row_from_hunt(issue, subject.text, done[-1])


def _tell(
    worker: Worker, console: Console, row: ReviewRow, subject: SubjectSpec, bound_ms: float
) -> None:
    if row.replay:
        told = worker.replay(subject, row.replay, bound_ms)
        render_story(story_of(told.record, told.replay), console)
        reference = SubjectSpec(REFERENCE, environment=subject.environment)
        neighbour = worker.replay(reference, _first_place(row.replay), bound_ms)
        if not neighbour.record.violations and not neighbour.unplaced:
            console.print("\nThe reference, with the same fault:", style="bold")
            render_story(story_of(neighbour.record, neighbour.replay), console)
    word = {Status.VIOLATED: "reproduced", Status.HOLDS: "does not happen"}.get(row.shown, str(row.shown))
    console.print(f"\n{row.issue} on {row.subject}: {word} ({row.how}). {row.evidence}", markup=False, highlight=False)
    if row.replay:
        console.print(f"midpipe replay '{row.replay}' --subject {row.subject}", markup=False, highlight=False, soft_wrap=True)


def _first_place(replay: str) -> str:
    """Return the same fault at the first command, without naming it: the reference sends other commands."""
    program, _, steps = replay.partition(":")
    fault = steps.rpartition("!")[2]
    return f"{program}: A1!{fault}" if "!" in steps else f"{program}:"
