"""Says how the cases of a finding divide, so that a reader sees that a second cause may be among them. Pure.

Blind to: two causes that show at the same command; cases beyond those whose replay lines the finding keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from midpipe.faultinject.decide.schedule import Schedule, command_at, parse_replay_string
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.model.finding import Finding

_MOST_KINDS = 4
_MOST_FAULTS = 3
_WITHOUT, _BY_ORDER = "without", "order"
_Case = tuple[str, str, Schedule]
"""The replay line of a case, its program and its schedule."""


def division_of(finding: Finding) -> str:
    """Return what the finding's cases have in common, and one of each kind; empty if all are of one kind.

    A case is of a kind with all cases of its program if that violates the invariant without a fault, or in some order
    of clients without one. The other cases are of a kind if their first faults are at the same command, and
    both faults are those of a clock or neither is.
    """
    try:
        cases = [(line, *parse_replay_string(line, CATALOGUE)) for line in finding.replays]
    except UsageError:
        return ""  # a stored verdict may name faults of another release
    kinds: dict[tuple[str, bool], list[_Case]] = {}
    for case, kind in zip(cases, _kinds(cases), strict=True):
        kinds.setdefault(kind, []).append(case)
    if len(kinds) < 2:
        return ""
    largest = sorted(kinds.items(), key=lambda item: -len(item[1]))
    parts = [_part(kind, members) for (kind, _), members in largest[:_MOST_KINDS]]
    if rest := sum(len(members) for _, members in largest[_MOST_KINDS:]):
        parts.append(f"{rest:,} at other commands")
    whole = f"Its {finding.cases:,} cases"
    if len(cases) < finding.cases:
        whole = f"Of its {finding.cases:,} cases, the first {len(cases):,}"
    return f"{whole} may have different causes: {'; '.join(parts)}."


def _kinds(cases: Sequence[_Case]) -> Iterator[tuple[str, bool]]:
    """Yield the kind of each case: what it takes, or its command and whether a fault of a clock is there."""
    without = {program for _, program, schedule in cases if not schedule.steps}
    by_order = {program for _, program, schedule in cases if not schedule.faults} - without
    for _, program, schedule in cases:
        if program in without:
            yield _WITHOUT, False
        elif program in by_order:
            yield _BY_ORDER, False
        else:
            first = schedule.faults[0]
            assert first.fault is not None
            yield command_at(first).partition(" ")[0], _moves_a_clock(first.fault.name)


def _moves_a_clock(fault: str) -> bool:
    return fault in CATALOGUE and CATALOGUE[fault].needs_stepped_clock


def _part(kind: str, members: Sequence[_Case]) -> str:
    """Return how many cases are of a kind, and the simplest of them."""
    shown = min(members, key=lambda case: (len(case[2].faults), len(case[2].steps), len(case[0])))
    if kind == _WITHOUT:
        what = "in programs that need no fault"
    elif kind == _BY_ORDER:
        what = "in programs that need only an order of clients"
    else:
        faults = dict.fromkeys(str(schedule.faults[0].fault) for _, _, schedule in members)
        names = ", ".join(list(faults)[:_MOST_FAULTS]) + (
            ", …" if len(faults) > _MOST_FAULTS else ""
        )
        what = f"with {names}{f' at {kind}' if kind else ''}"
    return f"{len(members):,} {what} ({shown[0]})"
