"""How soon each flaw is found, by the programs written for it and by fuzzing alone; and what fuzzing covered. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.scenarios.model.verdict import FlawRow, Verdict

FIRST_FINDS = ("by programs", "by fuzzing")
"""The columns of a find: the number of the case, and the seconds from the start of the hunt."""
MISSED = "missed"
_BY_FUZZING = "fuzz"


@dataclass(frozen=True, slots=True)
class FirstFinds:
    """One flaw and one invariant that must catch it.

    Args:
        finds: as FIRST_FINDS; empty where it was not hunted so.
    """

    flaw: str
    invariant: str
    finds: tuple[str, ...]
    replay: str


def first_finds(verdict: Verdict) -> tuple[FirstFinds, ...]:
    """Return a line for each flaw and invariant that must catch it, and for each that accuses the reference."""
    by_key: dict[tuple[str, str], list[FlawRow]] = {}
    for row in verdict.selfcheck:
        if row.expected or row.flaw == "reference":
            by_key.setdefault((row.flaw, row.invariant), []).append(row)
    return tuple(_line(rows) for rows in by_key.values())


def _line(rows: list[FlawRow]) -> FirstFinds:
    by_programs = [row for row in rows if row.by != _BY_FUZZING]
    by_fuzzing = [row for row in rows if row.by == _BY_FUZZING]
    replays = sorted((row.replay for row in rows if row.replay), key=len)
    return FirstFinds(
        flaw=rows[0].flaw,
        invariant=rows[0].invariant,
        finds=(_find(by_programs), _find(by_fuzzing)),
        replay=replays[0] if replays else "",
    )


def _find(rows: list[FlawRow]) -> str:
    if not rows:
        return ""
    row = rows[0]
    if not row.caught:
        return MISSED
    suite = "" if row.by == _BY_FUZZING else f"{row.by} "
    return f"{suite}{row.case_number} / {row.seconds:.1f} s"


def coverage_told(verdict: Verdict) -> str:
    """Return what the coverage of fuzzing means, in a sentence; empty if there was none."""
    if not verdict.coverage:
        return ""
    seen = sum(row.seen for row in verdict.coverage)
    known = sum(row.known for row in verdict.coverage)
    estimates = [
        f.value for f in verdict.figures if f.name.endswith("new combinations in a further case")
    ]
    told = (
        f"{seen} combinations of operation, command, state of the job and fault were seen, of {known} that the run has "
        "shown to be possible; there may be more"
    )
    return (
        f"{told}: a further case would show {estimates[0]:g} new ones." if estimates else f"{told}."
    )
