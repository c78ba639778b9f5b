"""A verdict on several servers as a table: a row for each thing that was judged, a column for each server. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from scenarios.verdict import ServerColumn, Verdict

Row = tuple[str, ...]


def server_rows(verdict: Verdict) -> tuple[Row, ...]:
    """Return the head and the rows; nothing if there was one server."""
    columns = verdict.servers
    if not columns:
        return ()
    parts = dict.fromkeys(part for column in columns for part, _ in column.parts)
    invariants = dict.fromkeys(name for column in columns for name, _ in column.invariants)
    return (
        ("", *(column.server or "no server" for column in columns)),
        ("verdict", *(_outcome(column) for column in columns)),
        *((part, *(_of(dict(column.parts), part) for column in columns)) for part in parts),
        *(
            (name, *(_of(dict(column.invariants), name) for column in columns))
            for name in invariants
        ),
        ("findings", *(", ".join(column.findings) or "none" for column in columns)),
        ("cases", *(str(column.cases) for column in columns)),
        ("seconds", *(f"{column.seconds:.1f}" for column in columns)),
    )


def _outcome(column: ServerColumn) -> str:
    return f"{column.outcome}{' (partial)' if column.partial else ''}"


def _of(known: Mapping[str, object], name: str) -> str:
    return str(known.get(name, "not run"))
