"""The selfcheck as a table: how soon each flaw is caught, by the programs written for it and by fuzzing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.scenarios.model.verdict import FlawRow, Outcome, Verdict

HUNTS = ("by programs", "by fuzzing")
"""Headings of the columns that say how soon a flaw was caught: number of the case, and seconds since the start."""
MISSED = "missed"
_FUZZING = "fuzz"


@dataclass(frozen=True, slots=True)
class SelfcheckLine:
    """One flaw and one invariant.

    Args:
        caught: a cell for each of HUNTS; empty where the flaw was not hunted in this way.
        replay: the shortest replay line that shows the flaw.
        failed: the invariant missed a flaw that it must catch, or accuses the reference.
    """

    flaw: str
    invariant: str
    caught: tuple[str, ...]
    replay: str
    failed: bool


def selfcheck_lines(verdict: Verdict) -> tuple[SelfcheckLine, ...]:
    """Return a line for each flaw and invariant that must catch it, and for each that accuses the reference."""
    by_key: dict[tuple[str, str], list[FlawRow]] = {}
    for row in verdict.selfcheck:
        if row.expected or row.outcome is Outcome.FAIL:
            by_key.setdefault((row.flaw, row.invariant), []).append(row)
    return tuple(map(_line, by_key.values()))


def _line(rows: list[FlawRow]) -> SelfcheckLine:
    replays = sorted((row.replay for row in rows if row.replay), key=len)
    return SelfcheckLine(
        flaw=rows[0].flaw,
        invariant=rows[0].invariant,
        caught=(
            _cell([row for row in rows if row.by != _FUZZING]),
            _cell([row for row in rows if row.by == _FUZZING]),
        ),
        replay=replays[0] if replays else "",
        failed=any(row.outcome is Outcome.FAIL for row in rows),
    )


def _cell(rows: list[FlawRow]) -> str:
    if not rows:
        return ""
    row = rows[0]
    if not row.caught:
        return MISSED
    suite = "" if row.by == _FUZZING else f"{row.by} "
    return f"{suite}{row.case_number} / {row.seconds:.1f} s"
