"""What a run judged and how much, in short named sentences, for the terminal and the page. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from midpipe.reports.explain import not_proved, promises_sentence
from midpipe.reports.selfcheck_table import own_queue_sentences
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.verdict import Outcome, Status, Verdict


def facts(verdict: Verdict, most_notes: int | None = None) -> tuple[tuple[str, str], ...]:
    """Return what was judged and how much, each with its name.

    Args:
        most_notes: how many of the warnings to return; None is all.
    """
    return tuple(_facts(verdict, most_notes))


def _facts(verdict: Verdict, most_notes: int | None) -> Iterator[tuple[str, str]]:
    if verdict.partial:
        yield "partial", "The run ended before everything that was planned had run."
    notes = (*verdict.warnings, *map(str, verdict.crashes))
    for note in notes[:most_notes]:
        yield "note", note
    if most_notes is not None and len(notes) > most_notes:
        yield (
            "note",
            f"and {len(notes) - most_notes} more, which -v or `midpipe report -v` shows",
        )
    if not verdict.findings:
        yield "judged", f"{verdict.subject} on {verdict.server or '-'}"
    ran = [f"{row.name} {row.cases:,}" for row in verdict.parts if row.cases]
    cases = sum(row.cases for row in verdict.parts)
    if cases:
        yield "cases", f"{cases:,} in {verdict.seconds:.1f} s: {', '.join(ran)}"
    if verdict.ledger:
        total = {
            name: sum(getattr(row, name) for row in verdict.ledger)
            for name in ("space", "run", "pruned", "not_reached", "invalid")
        }
        yield (
            "space",
            f"{total['space']:,} cases: {total['run']:,} run, {total['pruned']:,} pruned, "
            f"{total['not_reached']:,} not reached, {total['invalid']:,} invalid",
        )
    held = [row.invariant for row in verdict.invariants if row.status is Status.HOLDS]
    if verdict.invariants:
        yield "held", f"{len(held)} of {len(verdict.invariants)} invariants"
    unknown = [row.invariant for row in verdict.invariants if row.status is Status.UNKNOWN]
    if unknown:
        yield "unknown", ", ".join(unknown)
    left_out = [row.invariant for row in verdict.invariants if row.status is Status.NOT_APPLICABLE]
    if left_out:
        yield "not judged", ", ".join(left_out)
    for accepted in verdict.accepted:
        why = f"{accepted.reason}, {accepted.date}"
        yield "accepted", f"{title_of(accepted.finding)} ({why})"
    for known in verdict.gone:
        where = f"{known.invariant} in {known.operation}"
        yield "gone", f"{where}, accepted on {known.date}: take it out with midpipe baseline"
    if verdict.promises:
        yield "promises", promises_sentence(verdict.promises).partition(": ")[2]
    for sentence in own_queue_sentences(verdict):
        yield "midpipe", sentence
    if not verdict.findings and verdict.outcome is Outcome.PASS:
        yield "not proved", not_proved(verdict)
