"""A verdict on several servers as a table: a row for each part, invariant and total, a column for each server. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from midpipe.scenarios.model.verdict import Extent, PartRow, ServerColumn, Verdict

Row = tuple[str, ...]
OWN_QUEUES = ("selfcheck", "review")
"""Parts that run midpipe's own queues and not the subject: with several servers they run on the first one only."""
_NOT_RUN = "not run"


def server_rows(verdict: Verdict) -> tuple[Row, ...]:
    """Return the head and the rows; nothing if there was one server."""
    columns = verdict.servers
    if not columns:
        return ()
    parts = tuple(dict.fromkeys(row.name for column in columns for row in column.parts))
    invariants = dict.fromkeys(name for column in columns for name, _ in column.invariants)
    by_name = [{row.name: row for row in column.parts} for column in columns]
    return (
        ("", *(column.server or "no server" for column in columns)),
        ("verdict", *map(_outcome, columns)),
        *((part, *(_part(rows, by_name[0], part) for rows in by_name)) for part in parts),
        *(
            (name, *(str(dict(column.invariants).get(name, _NOT_RUN)) for column in columns))
            for name in invariants
        ),
        ("findings", *(", ".join(column.findings) or "none" for column in columns)),
        ("cases", *(str(column.cases) for column in columns)),
        ("seconds", *(f"{column.seconds:.1f}" for column in columns)),
        *_rates(by_name, parts),
    )


def own_queues_note(verdict: Verdict) -> str:
    """Return why some parts ran on the first server only; empty if there was one server, or no such part."""
    names = [row.name for row in verdict.parts if row.name in OWN_QUEUES]
    if not verdict.servers or not names:
        return ""
    return (
        f"{' and '.join(names)} run{'s' if len(names) == 1 else ''} midpipe's own queues, not the subject, "
        f"so once is enough: on {verdict.servers[0].server or 'no server'}."
    )


def _outcome(column: ServerColumn) -> str:
    return f"{column.outcome}{' (partial)' if column.partial else ''}"


def _part(rows: Mapping[str, PartRow], first: Mapping[str, PartRow], part: str) -> str:
    row = rows.get(part)
    if row is None:
        return "on the first" if part in OWN_QUEUES and part in first else _NOT_RUN
    return str(row.outcome if row.extent is not Extent.NOT_BEGUN else row.extent)


def _rates(by_name: list[dict[str, PartRow]], parts: tuple[str, ...]) -> Iterator[Row]:
    """Yield a row for each part that has run cases of the subject, with the rate on each server."""
    for part in parts:
        rates = [rows[part].cases_per_second if part in rows else 0.0 for rows in by_name]
        if any(rates):
            yield f"{part}, cases/s", *(f"{rate:.0f}" if rate else "" for rate in rates)
