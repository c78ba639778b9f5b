"""The selfcheck as a table: how soon each flaw is caught, by the programs written for it and by fuzzing. Pure.

In a verdict on a subject, the parts that run midpipe's own queues take one line each.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def own_queue_sentences(verdict: Verdict) -> tuple[str, ...]:
    """Return a sentence each for the selfcheck and the review beside a subject; empty if they ran alone or not."""
    if not verdict.invariants:
        return ()
    lines = selfcheck_lines(verdict)
    flaws = len({line.flaw for line in lines})
    sentences = (
        _own_queue_sentence(
            f"Selfcheck of {flaws} flawed queues",
            len(lines),
            [f"{line.invariant} on {line.flaw}" for line in lines if line.failed],
        ),
        _own_queue_sentence(
            "The review's issues",
            len(verdict.review),
            [f"{r.issue} on {r.subject}" for r in verdict.review if r.outcome is Outcome.FAIL],
        ),
    )
    return tuple(filter(None, sentences))


def _own_queue_sentence(what: str, checks: int, failed: Sequence[str]) -> str:
    if not checks:
        return ""
    names = f"; FAILED {', '.join(failed)}" if failed else ""
    return f"{what}: {checks - len(failed)} of {checks} checks as expected{names}."


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
