"""The verdict and the stories on a terminal. Text from a subject is never read as markup."""

from __future__ import annotations

from collections import defaultdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from midpipe.reports.explain import explained, replay_command
from midpipe.reports.finds import FIRST_FINDS, MISSED, coverage_told, first_finds
from midpipe.reports.servers import own_queues_told, server_rows
from midpipe.reports.view import LEFT, picture
from midpipe.scenarios.model.verdict import Finding, Outcome, Status, Story, Verdict

_OUTCOME = {Outcome.PASS: "bold green", Outcome.UNKNOWN: "bold yellow", Outcome.FAIL: "bold red"}
_TONE = {"plain": "", "quiet": "dim", "bad": "red", "fault": "bold yellow"}
_STATUS = {
    Status.HOLDS: "green",
    Status.VIOLATED: "red",
    Status.NOT_APPLICABLE: "dim",
    Status.UNKNOWN: "yellow",
}
_CELL = {str(word): style for word, style in (*_OUTCOME.items(), *_STATUS.items())}
_MOST_STORIES = 3
_RATE = ": cases per second"


WIDTH_OF_A_PIPE = 120


def results() -> Console:
    """Return the console for results: standard output, wide enough for a replay line where nobody watches."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_A_PIPE)


def render_verdict(verdict: Verdict, console: Console) -> None:
    """Show the whole verdict; the outcome first and last."""
    _head(verdict, console)
    for number, finding in enumerate(verdict.findings):
        _finding(verdict, finding, console, with_story=number < _MOST_STORIES)
    if verdict.servers:
        _servers(verdict, console)
    elif verdict.invariants:
        _invariants(verdict, console)
    if verdict.durability:
        _durability(verdict, console)
    if verdict.review:
        _review(verdict, console)
    if verdict.selfcheck:
        _selfcheck(verdict, console)
    if verdict.coverage:
        _coverage(verdict, console)
    if verdict.ledger:
        _ledger(verdict, console)
    _foot(verdict, console)


def render_story(story: Story, console: Console) -> None:
    """Show one case step by step."""
    for line in picture(story):
        text = Text(f"{line.left:<{LEFT}}", style=_TONE[line.tone])
        text.append(line.text, style=_TONE[line.tone])
        text.append(line.right, style="" if line.tone == "plain" else _TONE[line.tone])
        console.print(text, soft_wrap=True)


def say(console: Console, text: str, style: str = "") -> None:
    """Print one line of plain text, which a terminal may wrap and a pipe keeps whole."""
    console.print(Text(text, style=style), soft_wrap=True)


def _head(verdict: Verdict, console: Console) -> None:
    say(console, f"midpipe: {verdict.outcome.upper()}", _OUTCOME[verdict.outcome])
    swept = f"subject {verdict.subject} · server {verdict.server} · " if verdict.server else ""
    say(console, f"{swept}{verdict.seconds:.1f} s")
    if verdict.partial:
        say(console, "partial: not everything that was planned has run", "yellow")
    for warning in verdict.warnings:
        say(console, f"! {warning}", "yellow")


def _finding(verdict: Verdict, finding: Finding, console: Console, *, with_story: bool) -> None:
    console.print()
    say(
        console,
        f"{finding.id}  {finding.severity}  {finding.invariant} in {finding.operation}",
        "bold red",
    )
    for sentence in explained(finding):
        say(console, f"    {sentence}")
    if with_story:
        console.print()
        render_story(finding.story, console)
        if finding.neighbour is not None:
            say(console, f"    Next to it, this passes: {finding.neighbour.replay!r}", "dim")
    say(console, replay_command(finding.replay, verdict.again, finding.on))
    if finding.blob:
        say(console, f"    As it was found, for Hypothesis: {finding.blob}", "dim")


def _servers(verdict: Verdict, console: Console) -> None:
    head, *rows = server_rows(verdict)
    table = Table(title="Servers", title_justify="left", box=None, pad_edge=False)
    for column in head:
        table.add_column(column)
    for row in rows:
        table.add_row(row[0], *(Text(cell, style=_CELL.get(cell, "")) for cell in row[1:]))
    console.print()
    console.print(table)
    if told := own_queues_told(verdict):
        say(console, told, "dim")


def _invariants(verdict: Verdict, console: Console) -> None:
    table = Table(title="Invariants", title_justify="left", box=None, pad_edge=False)
    for column in ("invariant", "status", "looked at", "violated in"):
        table.add_column(
            column, justify="right" if column in ("looked at", "violated in") else "left"
        )
    for row in verdict.invariants:
        table.add_row(
            row.invariant,
            Text(str(row.status), style=_STATUS[row.status]),
            str(row.observations),
            str(row.violations) if row.violations else "",
        )
    console.print()
    console.print(table)


def _durability(verdict: Verdict, console: Console) -> None:
    table = Table(title="The server is killed", title_justify="left", box=None, pad_edge=False)
    for column in ("persistence", "cases", "violated in", "which", "promise"):
        table.add_column(column, justify="right" if column in ("cases", "violated in") else "left")
    for row in verdict.durability:
        violated_invariants = ", ".join(row.violated_invariants)
        style = "red" if row.violated and row.counts else ""
        violated = str(row.violated) if row.violated else ""
        table.add_row(
            row.persistence,
            str(row.cases),
            violated,
            Text(violated_invariants, style=style),
            row.promise,
        )
    console.print()
    console.print(table)
    moments = sum(row.moments for row in verdict.power_loss)
    torn = sum(row.torn for row in verdict.power_loss)
    if moments:
        say(
            console,
            f"Power loss: {moments} moments of {len(verdict.power_loss)} programs; {torn} cost a job or half of one",
            "red" if torn else "",
        )


def _review(verdict: Verdict, console: Console) -> None:
    subjects = list(dict.fromkeys(row.subject for row in verdict.review))
    shown: dict[str, dict[str, Status]] = defaultdict(dict)
    for row in verdict.review:
        shown[row.issue][row.subject] = row.shown
    table = Table(title="The review", title_justify="left", box=None, pad_edge=False)
    for column in ("issue", *subjects):
        table.add_column(column)
    words = {Status.VIOLATED: "happens", Status.HOLDS: "does not happen"}
    for issue, by_subject in shown.items():
        cells = [
            Text(
                words.get(by_subject[name], str(by_subject[name])), style=_STATUS[by_subject[name]]
            )
            for name in subjects
        ]
        table.add_row(issue, *cells)
    console.print()
    console.print(table)


def _selfcheck(verdict: Verdict, console: Console) -> None:
    table = Table(title="Selfcheck", title_justify="left", box=None, pad_edge=False)
    for column in ("flawed queue", "caught by", *FIRST_FINDS, "shortest replay"):
        numeric = column in FIRST_FINDS
        table.add_column(column, no_wrap=True, justify="right" if numeric else "left")
    for line in first_finds(verdict):
        missed = any(find == MISSED for find in line.finds)
        table.add_row(
            line.flaw,
            Text(f"MISSED {line.invariant}" if missed else line.invariant, "red" if missed else ""),
            *line.finds,
            Text(line.replay),
        )
    console.print()
    console.print(table)


def _coverage(verdict: Verdict, console: Console) -> None:
    table = Table(title="Covered by fuzzing", title_justify="left", box=None, pad_edge=False)
    for column in ("operation", "places", "combinations", "of known", ""):
        table.add_column(column, justify="left" if column == "operation" else "right")
    for row in verdict.coverage:
        share = f"{100 * row.seen / row.known:.0f} %" if row.known else ""
        table.add_row(row.operation, str(row.places), str(row.seen), str(row.known), share)
    console.print()
    console.print(table)
    say(console, coverage_told(verdict), "dim")


def _ledger(verdict: Verdict, console: Console) -> None:
    totals = {
        name: sum(getattr(row, name) for row in verdict.ledger)
        for name in ("space", "run", "pruned", "not_reached", "invalid")
    }
    console.print()
    say(
        console,
        f"Ledger: {totals['space']} cases in the space · {totals['run']} run · {totals['pruned']} pruned · "
        f"{totals['not_reached']} not reached · {totals['invalid']} invalid",
    )


def _foot(verdict: Verdict, console: Console) -> None:
    parts = " · ".join(f"{part} {outcome}" for part, outcome in verdict.parts)
    rates = [
        f"{figure.name.removesuffix(_RATE)} {figure.value:.0f} cases a second"
        for figure in verdict.figures
        if figure.name.endswith(_RATE)
    ]
    # Those of several servers stand in their table.
    if rates and not verdict.servers:
        parts += f" · {', '.join(rates)}"
    console.print()
    say(console, parts)
    say(console, f"midpipe: {verdict.outcome.upper()}", _OUTCOME[verdict.outcome])
