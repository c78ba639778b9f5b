"""The result of the network suite on a terminal. Renders values; decides nothing."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from midpipe.reports.sinks.console import say
from midpipe.scenarios.model.verdict import Outcome
from midpipe.scenarios.network.suite import NetworkResult, NetworkRow

_NOT_OBSERVED = "the fault was not observed to happen"
_STYLE = {Outcome.PASS: "green", Outcome.UNKNOWN: "yellow", Outcome.FAIL: "red"}


def row_line(row: NetworkRow) -> str:
    """Return one case as a line for the progress."""
    return (
        f"{row.outcome.upper():8}{row.fault}: {', then '.join(row.ended) or 'nothing'}{_why(row)}"
    )


def render_network(result: NetworkResult, again: str, console: Console) -> None:
    """Show the suite: the outcome, then each case that failed or is unknown, with the command that repeats it.

    Args:
        again: the command line of this run, without --fault.
    """
    say(console, f"midpipe network: {result.outcome.upper()}", _STYLE[result.outcome])
    say(
        console,
        f"subject {result.subject} · server {result.server} · via {result.via} · program {result.program} · "
        "the machine's clock, because a Toxiproxy's delays can't be skipped",
    )
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("outcome", "cases"):
        table.add_column(heading)
    for outcome in (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS):
        table.add_row(
            outcome, str(sum(row.outcome is outcome for row in result.rows)), style=_STYLE[outcome]
        )
    console.print(table)
    for row in result.rows:
        if row.outcome is Outcome.PASS:
            continue
        say(console, f"{row.outcome.upper()} {row.fault}", _STYLE[row.outcome])
        if row.outcome is Outcome.UNKNOWN:
            say(console, f"  {row.invalid_reason or _NOT_OBSERVED}")
        for violation in row.violations:
            for evidence in violation.evidence:
                say(console, f"  {violation.invariant}: {evidence.seen}")
        say(console, f"  repeat: {again} --fault {row.fault}")


def _why(row: NetworkRow) -> str:
    violated_invariants = ", ".join(violation.invariant for violation in row.violations)
    if row.invalid_reason or violated_invariants:
        return f" ({row.invalid_reason or violated_invariants})"
    return "" if row.fired else f" ({_NOT_OBSERVED})"
