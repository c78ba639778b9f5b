"""An audit on the terminal, as JSON, Markdown and HTML. Job ids and names of fields only, no payload."""

from __future__ import annotations

from math import isinf

import msgspec
from rich.console import Console
from rich.table import Table

from midpipe import __version__
from midpipe.reports.markdown_text import code, table_row
from midpipe.reports.sinks.console import say
from midpipe.reports.sinks.html import rendered
from midpipe.scenarios.audit.layout import MEANING, Damage
from midpipe.scenarios.audit.results import AuditResult, Found, Progress, Stage
from midpipe.scenarios.model.verdict import Outcome

_STYLE = {Outcome.PASS: "bold green", Outcome.UNKNOWN: "bold yellow", Outcome.FAIL: "bold red"}
_MOST_SHOWN = 20


def progress_line(now: Progress) -> str:
    """Return how far an audit is, as one line."""
    part = f"{now.part_done:.0%} " if now.stage is Stage.SCAN else ""
    waits = f" · waits: {now.throttled_by}" if now.throttled_by else ""
    return (
        f"audit: {now.stage} {part}· {now.keys:,} keys · {now.jobs:,} jobs · {now.suspects:,} suspects settle · "
        f"{now.confirmed:,} confirmed · {now.ops_s:,.0f} commands/s{waits}"
    )


def render_audit(result: AuditResult, console: Console) -> None:
    """Print an audit; the outcome last."""
    say(console, _head(result))
    table = Table()
    for name in ("damage", "jobs", "meaning"):
        table.add_column(name, justify="right" if name == "jobs" else "left")
    for damage in Damage:
        count = result.counts.get(damage, 0)
        table.add_row(damage, f"{count:,}", MEANING[damage], style="bold red" if count else "")
    console.print(table)
    for found in result.found[:_MOST_SHOWN]:
        say(console, _sentence(found), "red")
    if (rest := len(result.found) - _MOST_SHOWN) > 0:
        say(console, f"and {rest:,} more in audit.json")
    say(console, _figures(result))
    for reason in result.reasons:
        say(console, f"· {reason}")
    say(console, f"midpipe: {result.outcome.upper()}", _STYLE[result.outcome])


def audit_json(result: AuditResult) -> str:
    """Return an audit as JSON."""
    document = {"midpipe": __version__, "schema": 1, **msgspec.to_builtins(result)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def audit_markdown(result: AuditResult) -> str:
    """Return an audit as Markdown."""
    lines = [f"# Audit: {result.outcome}", "", _head(result), ""]
    lines += [f"- {reason}" for reason in result.reasons]
    lines += ["", "| damage | jobs | meaning |", "| --- | ---: | --- |"]
    lines += [
        f"| {damage} | {result.counts.get(damage, 0):,} | {MEANING[damage]} |" for damage in Damage
    ]
    if result.found:
        lines += ["", "| damage | job | where | what was seen |", "| --- | --- | --- | --- |"]
        lines += [
            table_row((found.damage, code(found.job_id), code(found.where or "-"), found.evidence))
            for found in result.found
        ]
    lines += ["", _figures(result), ""]
    return "\n".join(lines)


def audit_page(result: AuditResult) -> str:
    """Return an audit as an HTML document that works offline and runs no script."""
    return rendered(
        "audit.html.j2",
        outcome=result.outcome,
        result=result,
        midpipe=__version__,
        head=_head(result),
        figures=_figures(result),
        damages=[(damage, result.counts.get(damage, 0), MEANING[damage]) for damage in Damage],
    )


def _head(result: AuditResult) -> str:
    phase = f", phase {result.phase}" if result.phase else ""
    sample = f" · a sample of {result.sample:.1%}" if result.sample < 1 else ""
    return f"layout {result.layout}{phase} · {result.server}{sample}"


def _sentence(found: Found) -> str:
    where = f" ({found.where})" if found.where else ""
    return f"{found.damage}: {found.job_id}{where} {found.evidence}"


def _figures(result: AuditResult) -> str:
    waits = ", ".join(
        f"{reason} {seconds:,.1f} s" for reason, seconds in result.throttled_s.items()
    )
    ends = (
        (result.confirmed, "confirmed"),
        (result.converged, "converged"),
        (result.vanished, "vanished"),
        (result.undecided, "undecided"),
    )
    lag = ""
    if result.lag_s is not None:
        lag = (
            "The replica's link to its primary was down for a while. "
            if isinf(result.lag_s)
            else f"The replica was at most {result.lag_s:,.0f} s behind. "
        )
    return (
        f"{result.keys:,} keys and {result.jobs:,} jobs in {result.seconds:,.1f} s, with {result.ops:,} commands; "
        f"{result.unreadable:,} keys of another type, {result.other_keys:,} that belong to no job. "
        f"A PING took at most {result.added_latency_ms:.2f} ms longer. {lag}Waited for: {waits or 'nothing'}. "
        f"{result.suspects:,} suspects: "
        + ", ".join(f"{count:,} {end}" for count, end in ends)
        + "."
    )
