"""The whole verdict on a terminal: every finding, and tables of what was judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from midpipe.faultinject.decide.ledger import total_by_rule
from midpipe.reports.explain import (
    PROGRESS_COLUMNS,
    consequences_of,
    coverage_sentence,
    explained,
    neighbour_text,
    promises_sentence,
    rules_text,
    source_text,
)
from midpipe.reports.facts import not_run_sentences
from midpipe.reports.selfcheck_table import HUNTS, own_queue_sentences, selfcheck_lines
from midpipe.reports.server_table import own_queues_note, server_rows
from midpipe.reports.sinks.console import render_story, say
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import Extent, Finding, Outcome, PartRow, Status, Verdict

OUTCOME_STYLE = {
    Outcome.PASS: "bold green",
    Outcome.UNKNOWN: "bold yellow",
    Outcome.FAIL: "bold red",
}
_STATUS = {
    Status.HOLDS: "green",
    Status.VIOLATED: "red",
    Status.NOT_APPLICABLE: "dim",
    Status.UNKNOWN: "yellow",
}
_CELL = {str(word): style for word, style in (*OUTCOME_STYLE.items(), *_STATUS.items())}
_MAX_STORIES = 3


def render_details(verdict: Verdict, console: Console) -> None:
    """Print the whole verdict; the outcome is the first and the last line."""
    _head(verdict, console)
    for number, finding in enumerate(verdict.findings):
        _finding(verdict, finding, console, with_story=number < _MAX_STORIES)
    if verdict.servers:
        render_servers(verdict, console)
    elif verdict.invariants:
        _invariants(verdict, console)
    if verdict.promises:
        say(console, promises_sentence(verdict.promises), "dim")
    if verdict.durability:
        _durability(verdict, console)
    own_queues = own_queue_sentences(verdict)
    if own_queues:
        console.print()
    for sentence in own_queues:
        say(console, sentence)
    if verdict.review and not own_queues:
        _review(verdict, console)
    if verdict.selfcheck and not own_queues:
        _selfcheck(verdict, console)
    if verdict.coverage:
        _coverage(verdict, console)
    if verdict.progress:
        _progress(verdict, console)
    if verdict.ledger:
        _ledger(verdict, console)
    _foot(verdict, console)


def _head(verdict: Verdict, console: Console) -> None:
    say(console, f"midpipe: {verdict.outcome.upper()}", OUTCOME_STYLE[verdict.outcome])
    subject = f"subject {verdict.subject} · server {verdict.server} · " if verdict.server else ""
    say(console, f"{subject}{verdict.seconds:.1f} s")
    if verdict.partial:
        say(console, "partial: the run ended before everything that was planned had run", "yellow")
    for warning in (*verdict.warnings, *map(str, verdict.crashes)):
        say(console, f"! {warning}", "yellow")
    for sentence in not_run_sentences(verdict):
        say(console, sentence, "dim")


def _finding(verdict: Verdict, finding: Finding, console: Console, *, with_story: bool) -> None:
    console.print()
    title = f"{finding.id}  {finding.severity}  {title_of(finding)}"
    say(console, title, "bold red")
    for sentence in (*explained(finding), *consequences_of(finding)):
        say(console, f"    {sentence}")
    if source := source_text(finding):
        say(console, f"    {source}", "bold")
    if with_story and finding.story is not None:
        console.print()
        render_story(finding.story, console)
        if finding.neighbour is not None:
            passing = replay_command(finding.neighbour.replay, verdict.again, finding.on)
            say(console, f"    {neighbour_text(finding)}: {passing}", "dim")
    say(console, replay_command(finding.replay, verdict.again, finding.on))
    if finding.blob:
        say(console, f"    Hypothesis reproduces it with {finding.blob}", "dim")


def _table(title: str, columns: Iterable[str], *numeric: str, no_wrap: bool = False) -> Table:
    """Return an empty table; the columns named last are aligned to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", no_wrap=no_wrap)
    return table


def _print(table: Table, console: Console) -> None:
    console.print()
    console.print(table)


def render_servers(verdict: Verdict, console: Console) -> None:
    """Print a table with a column for each server."""
    head, *rows = server_rows(verdict)
    table = Table(title="Servers", title_justify="left", box=None, pad_edge=False)
    for column in head:
        table.add_column(Text(column))
    for row in rows:
        table.add_row(Text(row[0]), *(Text(cell, style=_CELL.get(cell, "")) for cell in row[1:]))
    _print(table, console)
    if note := own_queues_note(verdict):
        say(console, note, "dim")


def _invariants(verdict: Verdict, console: Console) -> None:
    columns = ("invariant", "status", "checks", "violated in")
    table = _table("Invariants", columns, "checks", "violated in")
    for row in verdict.invariants:
        table.add_row(
            row.invariant,
            Text(str(row.status), style=_STATUS[row.status]),
            str(row.observations),
            str(row.violations or ""),
        )
    _print(table, console)


def _durability(verdict: Verdict, console: Console) -> None:
    columns = ("persistence", "cases", "violated in", "which", "promise")
    table = _table("The server is killed", columns, "cases", "violated in")
    for row in verdict.durability:
        table.add_row(
            row.persistence,
            str(row.cases),
            str(row.violated or ""),
            Text(
                ", ".join(row.violated_invariants),
                style="red" if row.violated and row.counts else "",
            ),
            row.promise,
        )
    _print(table, console)
    moments = sum(row.moments for row in verdict.power_loss)
    torn = sum(row.torn for row in verdict.power_loss)
    if moments:
        programs = len(verdict.power_loss)
        say(
            console,
            f"Power loss at {moments} moments of {programs} programs; {torn} left a job lost or half written",
            "red" if torn else "",
        )


def _review(verdict: Verdict, console: Console) -> None:
    subjects = list(dict.fromkeys(row.subject for row in verdict.review))
    shown: dict[str, dict[str, Status]] = defaultdict(dict)
    for row in verdict.review:
        shown[row.issue][row.subject] = row.shown
    table = _table("The review", ("issue", *subjects))
    words = {Status.VIOLATED: "happens", Status.HOLDS: "does not happen"}
    for issue, by_subject in shown.items():
        statuses = (by_subject.get(name, Status.UNKNOWN) for name in subjects)
        cells = (Text(words.get(status, str(status)), style=_STATUS[status]) for status in statuses)
        table.add_row(issue, *cells)
    _print(table, console)


def _selfcheck(verdict: Verdict, console: Console) -> None:
    columns = ("flawed queue", "caught by", *HUNTS, "shortest replay")
    table = _table("Selfcheck", columns, *HUNTS, no_wrap=True)
    for line in selfcheck_lines(verdict):
        invariant = f"FAILED {line.invariant}" if line.failed else line.invariant
        table.add_row(
            line.flaw,
            Text(invariant, style="red" if line.failed else ""),
            *line.caught,
            Text(line.replay),
        )
    _print(table, console)


def _coverage(verdict: Verdict, console: Console) -> None:
    assert verdict.coverage is not None
    columns = ("operation", "places", "combinations", "of known", "share")
    table = _table("Covered by fuzzing", columns, *columns[1:])
    for row in verdict.coverage.operations:
        share = f"{100 * row.seen / row.known:.0f} %" if row.known else ""
        table.add_row(Text(row.operation), str(row.places), str(row.seen), str(row.known), share)
    _print(table, console)
    say(console, coverage_sentence(verdict), "dim")


def _progress(verdict: Verdict, console: Console) -> None:
    table = _table("Progress", PROGRESS_COLUMNS, *PROGRESS_COLUMNS)
    for row in verdict.progress:
        table.add_row(*map(str, astuple(row)))
    _print(table, console)


def _ledger(verdict: Verdict, console: Console) -> None:
    totals = {
        name: sum(getattr(row, name) for row in verdict.ledger)
        for name in ("space", "run", "pruned", "not_reached", "invalid")
    }
    by_rule = rules_text(total_by_rule(verdict.ledger))
    rules = f" ({by_rule})" if by_rule else ""
    console.print()
    say(
        console,
        f"Ledger: {totals['space']} cases in the space · {totals['run']} run · {totals['pruned']} pruned{rules} · "
        f"{totals['not_reached']} not reached · {totals['invalid']} invalid",
    )


def _foot(verdict: Verdict, console: Console) -> None:
    console.print()
    say(console, " · ".join(map(_part, verdict.parts)))
    rates = [
        f"{row.name} {row.cases_per_second:.0f} cases/s"
        for row in verdict.parts
        if row.cases_per_second
    ]
    # The rates on several servers are in the table of servers.
    if rates and not verdict.servers:
        say(console, " · ".join(rates))
    say(console, f"midpipe: {verdict.outcome.upper()}", OUTCOME_STYLE[verdict.outcome])


def _part(row: PartRow) -> str:
    if row.extent is Extent.NOT_BEGUN:
        return f"{row.name} {row.extent}"
    return f"{row.name} {row.outcome}{f' ({row.extent})' if row.extent is Extent.CUT_SHORT else ''}"
