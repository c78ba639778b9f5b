"""The stories: each finding's shortest case and its passing neighbour, run again and told step by step."""

from __future__ import annotations

from scenarios.engine.options import Options
from scenarios.engine.parts.part import Gathered
from scenarios.engine.tally import Found, Kind
from scenarios.engine.tasks import Message, Task, TellTask, Told
from scenarios.invariants import INVARIANTS
from scenarios.verdict import Finding, Story


class Stories:
    """Makes findings out of what the sweep found; one that could not be told is still a finding."""

    name = "stories"

    def __init__(self, options: Options, got: Gathered) -> None:
        self._options = options
        self._got = got
        self._told: dict[int, Told] = {}

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        tally = self._got.tally
        asked: list[tuple[str, str]] = []
        for kind, found in tally.kinds():
            neighbour = tally.neighbour_of(kind, found) or found.replay
            asked += [(found.replay, kind.invariant), (neighbour, "")]
        subject, bound_ms = self._options.subject, self._options.latency_bound_ms
        return tuple(
            (replay, TellTask(subject, replay, bound_ms, shrinks_for))
            for replay, shrinks_for in asked
        )

    def take(self, number: int, message: Message) -> None:
        if isinstance(message, Told):
            self._told[number] = message

    def finish(self, seconds: float) -> None:
        self._got.findings = tuple(
            self._finding(number, kind, found)
            for number, (kind, found) in enumerate(self._got.tally.kinds())
        )

    def _finding(self, number: int, kind: Kind, found: Found) -> Finding:
        case, neighbour = self._told.get(2 * number), self._told.get(2 * number + 1)
        if case is not None and (case.unsteady or kind.invariant not in case.fallen):
            again = "not" if kind.invariant not in case.fallen else "differently"
            self._got.warnings.append(
                f"{case.story.replay!r} broke {kind.invariant} once and {again} when run again: the subject is not "
                f"deterministic there{': ' + case.unsteady if case.unsteady else ''}."
            )
        story = case.story if case is not None else Story(found.replay, ())
        passes = neighbour is not None and kind.invariant not in neighbour.fallen
        placed = next((step for step in story.steps if step.fault), None)
        invariant = INVARIANTS[kind.invariant]
        return Finding(
            id=f"F{number + 1}",
            invariant=kind.invariant,
            severity=invariant.severity,
            program=found.program,
            replay=story.replay,
            claim=invariant.claim,
            evidence=found.evidence,
            operation=kind.method,
            place=f"{placed.position} ({placed.place})" if placed else "",
            fault=placed.fault if placed else "",
            cases=found.cases,
            story=story,
            neighbour=neighbour.story if neighbour is not None and passes else None,
            on=self._options.server.option,
        )
