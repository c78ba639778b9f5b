"""The table of what drivers do with a command whose connection is lost, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, product

from midpipe.reports.markdown_text import Markdown, code, table_row
from midpipe.scenarios.gate.driver_table import Behaviour, DriverRow

_TIMES = {0: "never", 1: "once", 2: "twice"}
_HEAD = """\
# What drivers do when the connection is lost

A command is on its way, or its reply is, and the connection is cut. How often does the server run the command, and
what does the caller learn? Measured by `midpipe drivers` on {server}: each call with the connection cut at each of its
commands, and the worst case of each fault. Each client is made with the defaults of its constructor, except where the
table names an option.

- *once, error*: the server has run the command once, and the call raises. The caller must find out.
- *never, error*: the server has not run it, and the call raises.
- *once, no answer*, *never, no answer*: the call does not return; the caller's own time-out must end it.
- **twice, answered**: the server has run it twice, and the call returns as if nothing had happened.
- **twice, wrong answer**: a call took two jobs and returned the second. The first is lost.

In bold: the caller believes what is not so. A command that may not run twice can't be sent again safely: a push needs
a request id that the server checks in the same script, and a pop needs a lease.
"""
_TITLES = {
    "lost-reply": "The server has run the command, and the reply is lost",
    "cut-before": "The command is cut off before it reaches the server",
}


def drivers_markdown(rows: Sequence[DriverRow], server: str) -> str:
    """Return the page: for each driver one table for each fault, with a column for each release.

    Args:
        server: name and version of the server.
    """
    lines = [_HEAD.format(server=server)]
    for driver, found in groupby(rows, key=lambda row: row.driver):
        lines += _section(driver, tuple(found))
    return "\n".join(lines)


def _section(driver: str, rows: Sequence[DriverRow]) -> list[str]:
    """Return the tables of one driver, and what of it could not be measured."""
    versions = tuple(dict.fromkeys(row.version for row in rows))
    ways = dict.fromkeys(row.way for row in rows)
    constructors = dict.fromkeys(row.constructor for row in rows)
    cells = {
        (row.version, row.constructor, row.way, behaviour.fault): _cell(behaviour)
        for row in rows
        for behaviour in row.behaviours
    }
    lines = [f"## {driver}", ""]
    for fault, title in _TITLES.items():
        lines += [f"### {title}", ""]
        lines += [
            table_row(("call", "client", *versions)),
            table_row([Markdown("---")] * (2 + len(versions))),
        ]
        for way, constructor in product(ways, constructors):
            found = (cells.get((version, constructor, way, fault), "–") for version in versions)
            lines.append(table_row((code(way), code(constructor), *found)))
        lines.append("")
    missing = sorted({(row.version, row.constructor) for row in rows if not row.behaviours})
    if missing:
        names = ", ".join(f"`{constructor}` of {version}" for version, constructor in missing)
        lines += [f"Not measured, because the release does not have it: {names}.", ""]
    return lines


def _cell(behaviour: Behaviour) -> Markdown:
    times = _TIMES.get(behaviour.applied, f"{behaviour.applied} times")
    if not behaviour.answered:
        return Markdown(f"{times}, {'error' if behaviour.raised else 'no answer'}")
    truth = "answered" if behaviour.answer_is_right else "wrong answer"
    return Markdown(f"**{times}, {truth}**" if behaviour.deceives else f"{times}, {truth}")
