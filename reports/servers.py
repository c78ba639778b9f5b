"""A verdict on several servers as a table: a row for each thing that was judged, a column for each server. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from midpipe.scenarios.model.verdict import ServerColumn, Verdict

Row = tuple[str, ...]
OWN_QUEUES = ("selfcheck", "review")
"""Parts that look at midpipe's own queues, not at the subject: with several servers they run on the first."""
_ON_THE_FIRST = "on the first"


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
        *((part, *(_part(columns, column, part) for column in columns)) for part in parts),
        *(
            (name, *(_of(dict(column.invariants), name) for column in columns))
            for name in invariants
        ),
        ("findings", *(", ".join(column.findings) or "none" for column in columns)),
        ("cases", *(str(column.cases) for column in columns)),
        ("seconds", *(f"{column.seconds:.1f}" for column in columns)),
        *((f"{part}, cases/s", *rates) for part, *rates in _rates(verdict, tuple(parts))),
    )


def _outcome(column: ServerColumn) -> str:
    return f"{column.outcome}{' (partial)' if column.partial else ''}"


def own_queues_told(verdict: Verdict) -> str:
    """Say why some parts ran on the first server only; nothing if there was one server, or no such part."""
    ran = [part for part, _ in verdict.parts if part in OWN_QUEUES]
    if not verdict.servers or not ran:
        return ""
    return (
        f"{' and '.join(ran)} look{'s' if len(ran) == 1 else ''} at midpipe's own queues, not at the subject: "
        f"once is enough, on {verdict.servers[0].server or 'no server'}."
    )


def _part(columns: Sequence[ServerColumn], column: ServerColumn, part: str) -> str:
    ran_first = part in OWN_QUEUES and part in dict(columns[0].parts)
    return str(dict(column.parts).get(part, _ON_THE_FIRST if ran_first else "not run"))


def _rates(verdict: Verdict, parts: Sequence[str]) -> Iterator[Row]:
    """Yield each part that has a rate somewhere, with the rate on each server."""
    figures = {figure.name: f"{figure.value:.0f}" for figure in verdict.figures}
    for part in parts:
        rates = tuple(
            figures.get(f"{part} on {column.server}: cases per second", "")
            for column in verdict.servers
        )
        if any(rates):
            yield part, *rates


def _of(known: Mapping[str, object], name: str) -> str:
    return str(known.get(name, "not run"))
