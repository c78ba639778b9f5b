"""midpipe bugs: finds known bugs of released libraries again, and not in the releases that have the fix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import MidpipeError, UsageError
from midpipe.faultinject.servers.opening import parse_server_spec
from midpipe.reports.cli.exit_code import code_of, written
from midpipe.reports.cli.options import JOBS, OUT, SERVER
from midpipe.reports.sinks.bugs import bugs_json, outcome_of, render_bug, render_bugs
from midpipe.reports.sinks.console import results
from midpipe.reports.sinks.writing import check_writable, write_file
from midpipe.scenarios.gate.bug_search import BugResult, search_bugs
from midpipe.scenarios.known_bugs import BUGS
from midpipe.scenarios.known_bugs.bug import KnownBug


@click.command()
@click.option(
    "--id", "ids", multiple=True, metavar="ID", help="Search this bug only; may be repeated."
)
@click.option(
    "--library",
    "libraries",
    multiple=True,
    metavar="NAME",
    help="Search the bugs of this library only; may be repeated.",
)
@click.option("--quick", is_flag=True, help="Search only the bugs that are found within seconds.")
@click.option("--list", "lists", is_flag=True, help="List the bugs, and search none.")
@SERVER
@JOBS
@OUT
@click.pass_context
def bugs(
    ctx: click.Context,
    /,
    ids: tuple[str, ...],
    libraries: tuple[str, ...],
    quick: bool,
    lists: bool,
    **values: Any,
) -> None:
    """Find known bugs of released libraries again.

    Installs the release that has a bug and the one that does not, each into an environment of its own, and searches
    both in the same way: the bug must be found in the first, by its replay line too, and not in the second.

    \b
    midpipe bugs --library redis
    midpipe bugs --id rq-popped-job-is-lost

    Exit code 0: all as expected; 1: a bug was not found, or is in the release with the fix; 3: unknown.
    """
    chosen = _chosen(ids, libraries, quick=quick)
    console = results()
    if lists:
        for bug in chosen:
            click.echo(
                f"{bug.id:<34} {bug.requirement(bug.bad):<22} {bug.source:<28} {bug.summary}"
            )
        return
    out = values["out"] / "bugs"
    check_writable(out)
    done: list[BugResult] = []
    ended: BaseException | None = None
    try:
        for result in search_bugs(chosen, parse_server_spec(values["server"]), values["jobs"]):
            done.append(result)
            render_bug(result, console)
    except (KeyboardInterrupt, MidpipeError) as error:
        if not done:
            raise
        ended = error
    done.sort(key=lambda result: chosen.index(result.bug))
    outcome = outcome_of(done, len(chosen))
    render_bugs(done, len(chosen), console)
    text = bugs_json(done, len(chosen))
    is_written = written(lambda: write_file(Path(out) / "bugs.json", text))
    if ended is not None:
        raise ended
    ctx.exit(code_of(outcome, is_written=is_written))


def _chosen(ids: Sequence[str], libraries: Sequence[str], *, quick: bool) -> tuple[KnownBug, ...]:
    """Return the bugs that the options name. Raises UsageError if an option names none."""
    for what, names, known in (
        ("bug", ids, [bug.id for bug in BUGS]),
        ("library", libraries, sorted({bug.target.package for bug in BUGS})),
    ):
        for name in names:
            if name not in known:
                raise UsageError(
                    f"There is no {what} {name!r} among the known bugs.{did_you_mean(name, known)} "
                    "midpipe bugs --list shows them."
                )
    chosen = tuple(
        bug
        for bug in BUGS
        if (not ids or bug.id in ids)
        and (not libraries or bug.target.package in libraries)
        and (not quick or bug.is_quick)
    )
    if not chosen:
        raise UsageError("No known bug is named by all of these options. Leave one of them out.")
    return chosen
