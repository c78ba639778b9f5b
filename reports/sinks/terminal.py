"""The verdict on one screen: findings first, three lines each, then how the worst one happens. Knows no option.

Details, such as every story and the tables, are in ``details.py``. A screen has 80 columns at least; wider ones are
used. Text from a subject is never read as markup.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from midpipe.reports.division import division_of
from midpipe.reports.explain import (
    advice_for,
    neighbour_text,
    source_text,
)
from midpipe.reports.facts import REPORT, facts
from midpipe.reports.sinks.console import render_story, say
from midpipe.reports.sinks.details import OUTCOME_STYLE, render_servers
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import Finding, Outcome, Severity, Verdict

_MOST_FINDINGS = 10
_MOST_NOTES = 3
_SEVERITY = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "",
}


def render_verdict(verdict: Verdict, console: Console, report: str = REPORT) -> None:
    """Print what a person needs first; the outcome is the first and the last line.

    Args:
        report: the command that shows the verdict with every detail.
    """
    say(console, f"midpipe: {verdict.outcome.upper()}", OUTCOME_STYLE[verdict.outcome])
    if verdict.findings:
        judged = f"{verdict.subject} on {verdict.server or '-'}"
        _wrapped(console, f"{_counts(verdict.findings)} · {judged}", left=0)
    for finding in verdict.findings[:_MOST_FINDINGS]:
        _finding(verdict, finding, console)
    if len(verdict.findings) > _MOST_FINDINGS:
        left = len(verdict.findings) - _MOST_FINDINGS
        say(console, f"\nand {left} more, which -v or `{report}` shows")
    if verdict.findings:
        _how_it_happens(verdict, verdict.findings[0], console)
    for sentence, command in _other_failures(verdict):
        _wrapped(console, f"✗ {sentence}", "red")
        say(console, f"    {command}", "cyan")
    if verdict.servers:
        render_servers(verdict, console)
    console.print()
    _rows(verdict, console, report)
    say(console, f"midpipe: {verdict.outcome.upper()}", OUTCOME_STYLE[verdict.outcome])


def _counts(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    each = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
    return f"{len(findings)} finding{'' if len(findings) == 1 else 's'}: {each}"


def _finding(verdict: Verdict, finding: Finding, console: Console) -> None:
    """Print three lines: the title, the line of code or what was observed, and the replay line."""
    console.print()
    head = Text(f"{finding.id:<4}")
    head.append(f"{finding.severity} ", style=_SEVERITY[finding.severity])
    head.append(title_of(finding), style="bold")
    _hanging(console, head)
    begin = source_text(finding)
    observed = finding.evidence[0] if finding.evidence else finding.claim
    _wrapped(console, begin or observed)
    say(console, f"    {replay_command(finding.replay, verdict.again, finding.on)}", "cyan")


def _how_it_happens(verdict: Verdict, finding: Finding, console: Console) -> None:
    if finding.story is None:
        return
    console.print()
    say(console, f"How {finding.id} happens", "bold")
    render_story(finding.story, console)
    if finding.neighbour is not None:
        passing = replay_command(finding.neighbour.replay, verdict.again, finding.on)
        say(console, f"{neighbour_text(finding)}: {passing}", "dim")
    _wrapped(console, f"Change: {advice_for(finding)}", left=0)
    if division := division_of(finding):
        _wrapped(console, division, left=0)


def _other_failures(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Yield what failed and is not a finding, as a sentence each, and the command that runs it again."""
    for moment in verdict.power_loss:
        if moment.torn:
            seen = f"A power loss in {moment.program}, first after {moment.after}: {moment.seen}."
            words = ("midpipe durability --program", shlex.quote(moment.program), verdict.again)
            yield seen, " ".join(filter(None, words))
    for row in verdict.selfcheck:
        if row.outcome is Outcome.FAIL:
            verb = "accuses" if row.caught else "does not catch"
            yield f"Selfcheck: {row.invariant} {verb} the queue {row.flaw}.", "midpipe selfcheck"
    for issue in verdict.review:
        if issue.outcome is Outcome.FAIL:
            shown = f"Review: {issue.issue} on {issue.subject}: {issue.shown}."
            yield shown, f"midpipe reproduce {issue.issue}"


def _rows(verdict: Verdict, console: Console, report: str) -> None:
    """Print what was judged and how much, a row each."""
    for name, text in facts(verdict, _MOST_NOTES, report):
        style = "yellow" if name in ("note", "partial", "unknown") else ""
        for number, line in enumerate(Text(text, style=style).wrap(console, console.width - 12)):
            head = Text(f"{'' if number else name:<12}", style="dim")
            console.print(head.append_text(line))


def _wrapped(console: Console, text: str, style: str = "", left: int = 4) -> None:
    for line in Text(text, style=style).wrap(console, console.width - left):
        console.print(Text(" " * left).append_text(line))


def _hanging(console: Console, text: Text) -> None:
    """Print a text whose further lines are indented."""
    for number, line in enumerate(text.wrap(console, console.width - 4)):
        console.print(Text("    " if number else "").append_text(line))
