"""What a run judged and how much, in short named sentences, for the terminal and the page. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from midpipe.faultinject.decide.ledger import NO_FAULT, LedgerRow
from midpipe.reports.explain import not_proved, promises_text
from midpipe.reports.selfcheck_table import own_queue_sentences
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.verdict import Outcome, Status, Verdict

_LINE = 68
"""What a terminal of 80 columns has room for beside a fact's name."""
REPORT = "midpipe report -v"
"""Shows every detail of the verdict in the default folder."""


def facts(
    verdict: Verdict, most_notes: int | None = None, report: str = REPORT
) -> tuple[tuple[str, str], ...]:
    """Return what was judged and how much, each with its name.

    Args:
        most_notes: how many of the warnings to return; None is all.
        report: the command that shows the verdict with every detail.
    """
    return tuple(_facts(verdict, most_notes, report))


def _facts(verdict: Verdict, most_notes: int | None, report: str) -> Iterator[tuple[str, str]]:
    if verdict.partial:
        yield "partial", "The run ended before everything that was planned had run."
    yield from _notes(verdict, most_notes, report)
    if not verdict.findings:
        yield "judged", f"{verdict.subject} on {verdict.server or '-'}"
    yield from _cases(verdict)
    if kinds := never_placed(verdict):
        yield "not placed", _in_one_line(kinds) if most_notes is not None else ", ".join(kinds)
    yield from _invariants(verdict)
    left_out = [row.invariant for row in verdict.invariants if row.status is Status.NOT_APPLICABLE]
    yield from _not_judged(verdict, left_out, is_short=most_notes is not None)
    for accepted in verdict.accepted:
        why = f"{accepted.reason}, {accepted.date}"
        yield "accepted", f"{title_of(accepted.finding)} ({why})"
    for known in verdict.gone:
        where = f"{known.invariant} in {known.operation}"
        yield "gone", f"{where}, accepted on {known.date}: take it out with midpipe baseline"
    if verdict.promises:
        yield "promises", f"{promises_text(verdict.promises)}."
    for sentence in own_queue_sentences(verdict):
        yield "midpipe", sentence
    if not verdict.findings and verdict.outcome is Outcome.PASS:
        yield "not proved", not_proved(verdict)


def _notes(verdict: Verdict, most: int | None, report: str) -> Iterator[tuple[str, str]]:
    notes = (*verdict.warnings, *map(str, verdict.crashes))
    for note in notes[:most]:
        yield "note", note
    if most is not None and len(notes) > most:
        yield "note", f"and {len(notes) - most} more, which -v or `{report}` shows"


def _cases(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Yield how many cases were run, and the size of the space that they are from."""
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


def never_placed(verdict: Verdict) -> tuple[str, ...]:
    """Return the kinds of faults that were planned, and of which no case was reached in the time."""
    rows = [row for row in verdict.ledger if row.fault != NO_FAULT]
    placed = {kind for row in rows if row.run + row.invalid for kind in _kinds(row)}
    waiting = (kind for row in rows if row.not_reached for kind in _kinds(row))
    return tuple(kind for kind in dict.fromkeys(waiting) if kind not in placed)


def _kinds(row: LedgerRow) -> tuple[str, ...]:
    """Return the names of a row's faults, without their parameters."""
    return tuple(fault.partition("=")[0] for fault in row.fault.split("+"))


def _in_one_line(kinds: Sequence[str]) -> str:
    """Return how many kinds of faults there are, with as many of their names as fit into a line of a terminal."""
    head, names = f"{_count(kinds, 'kind')} of faults: ", ", ".join(kinds)
    shown = len(kinds)
    while shown and len(head + names) > _LINE:
        shown -= 1
        names = f"{', '.join(kinds[:shown])} and {len(kinds) - shown} more"
    return head + names


def _invariants(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Yield how many invariants held, and which are unknown, with the reason."""
    held = [row.invariant for row in verdict.invariants if row.status is Status.HOLDS]
    if verdict.invariants:
        yield "held", f"{len(held)} of {len(verdict.invariants)} invariants"
    unknown: dict[str, list[str]] = {}
    for row in verdict.invariants:
        if row.status is Status.UNKNOWN:
            unknown.setdefault(row.note, []).append(row.invariant)
    for why, names in unknown.items():
        each = "each: " if len(names) > 1 else ""
        yield "unknown", f"{', '.join(names)}{f' ({each}{why})' if why else ''}"


def _not_judged(
    verdict: Verdict, invariants: Sequence[str], *, is_short: bool
) -> Iterator[tuple[str, str]]:
    """Yield what does not apply to the subject: one line, or names and reasons."""
    if not is_short:
        if invariants:
            yield "not judged", ", ".join(invariants)
        yield from (("not run", sentence) for sentence in not_run_sentences(verdict))
    elif counts := tuple(
        filter(None, (_count(invariants, "invariant"), programs_left_out(verdict)))
    ):
        yield "not judged", f"{' and '.join(counts)} that do not apply; -v lists them"


def programs_left_out(verdict: Verdict) -> str:
    """Return how many programs do not apply to the subject, as "31 programs"; empty if each was run by some part."""
    run = {row.program for row in verdict.ledger if row.run}
    return _count({name for row in verdict.not_run for name in row.programs} - run, "program")


def _count(things: Collection[str], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}" if things else ""


def not_run_sentences(verdict: Verdict) -> tuple[str, ...]:
    """Return which programs do not apply to the subject and why, a sentence for each part."""
    return tuple(
        f"{row.part}: {_count(row.programs, 'program')} not run, as the subject has no "
        f"{' or '.join(filter(None, (', '.join(row.lacks[:-1]), row.lacks[-1])))}: {', '.join(row.programs)}."
        for row in verdict.not_run
        if row.lacks
    )
