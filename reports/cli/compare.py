"""midpipe compare: judges several queues by the same programs, faults and budget, and prints one page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from midpipe import __version__
from midpipe.faultinject.errors import MidpipeError, UsageError
from midpipe.reports.cli.invocation import command_line
from midpipe.reports.cli.options import CLOCK, JOBS, SERVER, Duration, server_from
from midpipe.reports.cli.progress import ProgressSink
from midpipe.reports.sinks.comparison import comparison_markdown, read_comparison, write_comparison
from midpipe.scenarios.gate.comparing import Competitor
from midpipe.scenarios.gate.comparing import compare as compared
from midpipe.scenarios.model.comparison import Compared, Comparison
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.queues import REFERENCE, recommended_for
from midpipe.scenarios.subjects.environments import Release, install, installed, subject_of

_NOT_REACHED = "The run ended before."
_HOSTED = SubjectSpec(patience_s=60.0)


@click.command()
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME[==VERSION]",
    help="A released library; may be repeated. Its recommended settings are judged beside its defaults.",
)
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    metavar="MODULE:CLASS",
    help="A queue of your own beside them; may be repeated.",
)
@click.option(
    "--only-named",
    is_flag=True,
    help="Judge nothing else: no recommended settings of a library, and not midpipe's reference.",
)
@click.option(
    "--budget",
    "budget_s",
    default="2m",
    show_default=True,
    metavar="TIME",
    type=Duration(1.0),
    help="How long each queue is judged, at most.",
)
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Store the comparison as JSON as well, after each queue. A queue that is in the file is not judged again.",
)
@click.option(
    "--from",
    "stored",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Run nothing, and print a comparison that --save has stored.",
)
@SERVER
@CLOCK
@JOBS
def compare(
    queues: tuple[str, ...],
    subjects: tuple[str, ...],
    only_named: bool,
    budget_s: float,
    save: Path | None,
    stored: Path | None,
    jobs: int,
    **values: Any,
) -> None:
    """Judge several queues by the same programs, faults and budget, and print one page of Markdown.

    \b
    midpipe compare --queue rq --queue huey==3.5.3 > comparison.md
    """
    if stored is not None:
        click.echo(comparison_markdown(read_comparison(stored)), nl=False)
        return
    if len({*queues, *subjects}) < (2 if only_named else 1):
        raise UsageError("There is nothing to compare. Name two queues or more with --queue.")
    found = Comparison(
        midpipe=__version__,
        command=command_line(),
        date=datetime.now(UTC).date().isoformat(),
        server="",
        budget_s=budget_s,
        rows=(),
    )
    if save is not None and save.exists():
        found = _resumed(found, read_comparison(save), save)
    competitors = _competitors(queues, subjects, only_named=only_named)
    order = [competitor.key for competitor in competitors]
    known = {row.key for row in found.rows}
    waiting = [competitor for competitor in competitors if competitor.key not in known]
    ended: BaseException | None = None
    with ProgressSink() as progress:
        try:
            for row, server in compared(
                waiting,
                server_from(values),
                budget_s=budget_s,
                jobs=jobs,
                version=__version__,
                listen=progress.listen,
            ):
                found = _with(found, row, server, order)
                if save is not None:
                    write_comparison(found, save)
        except (KeyboardInterrupt, MidpipeError) as error:
            if not found.rows:
                raise
            ended = error
            known = {row.key for row in found.rows}
            for key in order:
                if key not in known:
                    found = _with(found, Compared(*key, reason=_NOT_REACHED), "", order)
    click.echo(comparison_markdown(found), nl=False)
    if ended is not None:
        raise ended


def _resumed(found: Comparison, earlier: Comparison, path: Path) -> Comparison:
    """Return the comparison with the rows of an earlier one. Raises UsageError if that was another run's."""
    if (earlier.midpipe, earlier.budget_s) != (found.midpipe, found.budget_s):
        raise UsageError(
            f"{path} holds a comparison by midpipe {earlier.midpipe} with --budget {earlier.budget_s:g}s. "
            "Give the same budget to go on with it, or name another file with --save."
        )
    return replace(found, server=earlier.server, rows=earlier.rows)


def _with(
    found: Comparison, row: Compared, server: str, order: list[tuple[str, str]]
) -> Comparison:
    """Return the comparison with one more row, those that are named in that order first."""
    rows = sorted(
        (*found.rows, row),
        key=lambda each: order.index(each.key) if each.key in order else len(order),
    )
    return replace(found, rows=tuple(rows), server=found.server or server)


def _competitors(
    queues: tuple[str, ...], subjects: tuple[str, ...], *, only_named: bool
) -> list[Competitor]:
    """Return what is judged, in order; libraries are installed if they are not yet. Raises UsageError."""
    found = []
    for name in dict.fromkeys(queues):
        release = installed(name)
        found.append(_released(release))
        if not only_named:
            found += [
                _released(install(library, release.version))
                for library in recommended_for(release.target.name)
            ]
    found += [Competitor(replace(_HOSTED, text=text)) for text in dict.fromkeys(subjects)]
    if not only_named:
        found.append(_released(install(REFERENCE, "")))
    return list({competitor.subject: competitor for competitor in found}.values())


def _released(release: Release) -> Competitor:
    return Competitor(subject_of(release, _HOSTED), release.target)
