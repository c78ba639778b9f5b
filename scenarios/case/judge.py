"""Judges a case: what the invariants say of what was recorded and recovered. Pure.

An invariant that crashes makes the case unknown; it never passes by crashing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from midpipe.faultinject.vocabulary import Position
from midpipe.scenarios.model.evidence import Evidence, Invariant, Moment
from midpipe.scenarios.model.record import Arrived, Called, Entry, Restarted, Stepped, Violation
from midpipe.scenarios.model.state import State, tables_of
from midpipe.scenarios.model.verdict import CheckerCrash


@dataclass(frozen=True, slots=True)
class Judged:
    """What the invariants said.

    Args:
        violations: the invariants that were violated, with the evidence.
        observations: how many things each invariant checked.
        crashes: the invariants whose check raised.
    """

    violations: tuple[Violation, ...]
    observations: tuple[tuple[str, int], ...]
    crashes: tuple[CheckerCrash, ...]


def judge(evidence: Evidence, invariants: Iterable[Invariant]) -> Judged:
    """Check every one of the invariants that applies to the subject and to the program."""
    violations, observations, crashes = [], [], []
    for invariant in invariants:
        applies = not invariant.why_not(evidence.traits)
        if not applies or (evidence.malformed and not invariant.on_malformed):
            continue
        try:
            judgement = invariant.check(evidence)
        except Exception as error:  # a check may raise anything; then the case is unknown
            crashes.append(CheckerCrash(invariant.id, f"{type(error).__name__}: {error}"))
            continue
        observations.append((invariant.id, judgement.observations))
        if judgement.violations:
            violations.append(Violation(invariant.id, judgement.violations))
    return Judged(tuple(violations), tuple(observations), tuple(crashes))


def moments_in(entries: Sequence[Entry], states: Sequence[State]) -> tuple[Moment, ...]:
    """Return the tables at the start, after each command that changed something, and at the end.

    Args:
        states: the entries' ``before`` and ``after`` index them.
    """
    places = {0: "the start", len(states) - 1: "the end"}
    commands: dict[int, tuple[str, str]] = {}
    calls: dict[str, str] = {}
    sent_by: dict[Position, str] = {}
    for entry in entries:
        if isinstance(entry, Called):
            calls[entry.client] = entry.method
        if isinstance(entry, Stepped):
            position = entry.step.event.position
            sent_by[position] = calls.get(position.client, "")
        if isinstance(entry, Stepped | Arrived) and entry.after != entry.before:
            position = entry.step.event.position
            word = "late " if isinstance(entry, Arrived) else ""
            places[entry.after] = f"{word}{position} ({entry.step.event.name})"
            commands[entry.after] = (str(position), sent_by.get(position, ""))
        if isinstance(entry, Restarted) and entry.after != entry.before:
            places[entry.after] = "the server came back"
    return tuple(
        Moment(
            places.get(number, f"state {number}"),
            tables_of(state),
            *commands.get(number, ("", "")),
        )
        for number, state in enumerate(states)
    )
