"""midpipe compare: judges several queues by the same programs, faults and budget, and prints one page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from midpipe import __version__
from midpipe.faultinject.errors import UsageError
from midpipe.reports.cli.invocation import command_line
from midpipe.reports.cli.options import CLOCK, JOBS, SERVER, Duration, server_from
from midpipe.reports.cli.progress import ProgressSink
from midpipe.reports.sinks.comparison import comparison_markdown
from midpipe.scenarios.gate.comparing import compare as compared
from midpipe.scenarios.model.comparison import Compared
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.environments import installed

_PATIENCE_S = 60.0


@click.command()
@click.option(
    "--queue",
    "queues",
    multiple=True,
    required=True,
    metavar="NAME[==VERSION]",
    help="A released library; may be repeated.",
)
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    metavar="MODULE:CLASS",
    help="A queue of your own beside them; may be repeated.",
)
@click.option(
    "--budget",
    "budget_s",
    default=120.0,
    show_default=True,
    metavar="TIME",
    type=Duration(1.0),
    help="How long each queue is judged, at most.",
)
@SERVER
@CLOCK
@JOBS
def compare(
    queues: tuple[str, ...],
    subjects: tuple[str, ...],
    budget_s: float,
    jobs: int,
    **values: Any,
) -> None:
    """Judge several queues by the same programs, faults and budget, and print one page of Markdown.

    \b
    midpipe compare --queue rq --queue huey==3.5.3 > comparison.md
    """
    if len({*queues, *subjects}) < 2:
        raise UsageError("There is nothing to compare. Name two queues or more with --queue.")
    named = [_released(name) for name in queues] + [
        SubjectSpec(text, patience_s=_PATIENCE_S) for text in subjects
    ]
    rows: list[Compared] = []
    with ProgressSink() as progress:
        for row in compared(
            named,
            server_from(values),
            budget_s=budget_s,
            jobs=jobs,
            version=__version__,
            listen=progress.listen,
        ):
            rows.append(row)
    date = datetime.now(UTC).date().isoformat()
    click.echo(
        comparison_markdown(rows, command=command_line(), date=date, budget_s=budget_s), nl=False
    )


def _released(name: str) -> SubjectSpec:
    """Return a released library as a subject, installed if it is not yet. Raises UsageError."""
    release = installed(name)
    return SubjectSpec(
        release.subject,
        python=release.python,
        promises=tuple(release.target.promises.items()),
        patience_s=_PATIENCE_S,
        requirement=release.requirement,
    )
