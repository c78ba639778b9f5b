"""The verdict on one screen: findings first, three lines each, then how the worst one happens. Knows no option.

Details, such as every story and the tables, are in ``details.py``. A screen has 80 columns at least; wider ones are
used. Text from a subject is never read as markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from midpipe.reports.explain import (
    advice_for,
    not_proved,
    promises_sentence,
    source_text,
)
from midpipe.reports.selfcheck_table import own_queue_sentences
from midpipe.reports.sinks.console import render_story, say
from midpipe.reports.sinks.details import OUTCOME_STYLE, render_servers
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import Finding, Outcome, Severity, Status, Verdict

_MOST_FINDINGS = 10
_MOST_NOTES = 3
_SEVERITY = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "",
}


def render_verdict(verdict: Verdict, console: Console) -> None:
    """Print what a person needs first; the outcome is the first and the last line."""
    say(console, f"midpipe: {verdict.outcome.upper()}", OUTCOME_STYLE[verdict.outcome])
    if verdict.findings:
        say(console, f"{_counts(verdict.findings)} · {verdict.subject} on {verdict.server or '-'}")
    for finding in verdict.findings[:_MOST_FINDINGS]:
        _finding(verdict, finding, console)
    if len(verdict.findings) > _MOST_FINDINGS:
        left = len(verdict.findings) - _MOST_FINDINGS
        say(console, f"\nand {left} more, which -v or `midpipe report -v` shows")
    if verdict.findings:
        _how_it_happens(verdict, verdict.findings[0], console)
    for sentence in _other_failures(verdict):
        _wrapped(console, f"✗ {sentence}", "red")
    if verdict.servers:
        render_servers(verdict, console)
    console.print()
    _rows(verdict, console)
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
        say(console, f"A neighbouring case passes: {passing}", "dim")
    _wrapped(console, f"Change: {advice_for(finding)}", left=0)


def _other_failures(verdict: Verdict) -> Iterator[str]:
    """Yield what failed and is not a finding, a sentence each."""
    for moment in verdict.power_loss:
        if moment.torn:
            yield f"A power loss in {moment.program}, first after {moment.after}: {moment.seen}."
    for row in verdict.selfcheck:
        if row.outcome is Outcome.FAIL:
            verb = "accuses" if row.caught else "does not catch"
            yield f"Selfcheck: {row.invariant} {verb} the queue {row.flaw}."
    for issue in verdict.review:
        if issue.outcome is Outcome.FAIL:
            yield f"Review: {issue.issue} on {issue.subject}: {issue.shown}."


def _rows(verdict: Verdict, console: Console) -> None:
    """Print what was judged and how much, a row each."""
    for name, text, style in _facts(verdict):
        for number, line in enumerate(Text(text, style=style).wrap(console, console.width - 12)):
            head = Text(f"{'' if number else name:<12}", style="dim")
            console.print(head.append_text(line))


def _facts(verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    if verdict.partial:
        yield "partial", "The run ended before everything that was planned had run.", "yellow"
    notes = (*verdict.warnings, *map(str, verdict.crashes))
    for note in notes[:_MOST_NOTES]:
        yield "note", note, "yellow"
    if len(notes) > _MOST_NOTES:
        yield (
            "",
            f"and {len(notes) - _MOST_NOTES} more, which -v or `midpipe report -v` shows",
            "yellow",
        )
    if not verdict.findings:
        yield "judged", f"{verdict.subject} on {verdict.server or '-'}", ""
    ran = [f"{row.name} {row.cases:,}" for row in verdict.parts if row.cases]
    cases = sum(row.cases for row in verdict.parts)
    if cases:
        yield "cases", f"{cases:,} in {verdict.seconds:.1f} s: {', '.join(ran)}", ""
    if verdict.ledger:
        total = {
            name: sum(getattr(row, name) for row in verdict.ledger)
            for name in ("space", "run", "pruned", "not_reached", "invalid")
        }
        yield (
            "space",
            f"{total['space']:,} cases: {total['run']:,} run, {total['pruned']:,} pruned, "
            f"{total['not_reached']:,} not reached, {total['invalid']:,} invalid",
            "",
        )
    held = [row.invariant for row in verdict.invariants if row.status is Status.HOLDS]
    if verdict.invariants:
        yield "held", f"{len(held)} of {len(verdict.invariants)} invariants", ""
    unknown = [row.invariant for row in verdict.invariants if row.status is Status.UNKNOWN]
    if unknown:
        yield "unknown", ", ".join(unknown), "yellow"
    left_out = [row.invariant for row in verdict.invariants if row.status is Status.NOT_APPLICABLE]
    if left_out:
        yield "not judged", ", ".join(left_out), ""
    for accepted in verdict.accepted:
        why = f"{accepted.reason}, {accepted.date}"
        yield "accepted", f"{title_of(accepted.finding)} ({why})", ""
    for known in verdict.gone:
        where = f"{known.invariant} in {known.operation}"
        yield "gone", f"{where}, accepted on {known.date}: take it out with midpipe baseline", ""
    if verdict.promises:
        yield "promises", promises_sentence(verdict.promises).partition(": ")[2], ""
    for sentence in own_queue_sentences(verdict):
        yield "midpipe", sentence, ""
    if not verdict.findings and verdict.outcome is Outcome.PASS:
        yield "not proved", not_proved(verdict), ""


def _wrapped(console: Console, text: str, style: str = "", left: int = 4) -> None:
    for line in Text(text, style=style).wrap(console, console.width - left):
        console.print(Text(" " * left).append_text(line))


def _hanging(console: Console, text: Text) -> None:
    """Print a text whose further lines are indented."""
    for number, line in enumerate(text.wrap(console, console.width - 4)):
        console.print(Text("    " if number else "").append_text(line))
