"""Coverage of fuzzing: operation × fault × position × state of the job. Pure counting.

A *place* is where a fault can be injected: the operation, the number of its command, whether the attempt is a retry,
and the state of the job at that moment. A *combination* is a place and the fault injected there, or ``none``.

The *known space* is every combination that the run has shown to be possible: each place that a case reached, with each
fault that can be injected at its command. It grows as cases reach new places, so it is a lower bound of the reachable
space. The number of combinations not yet seen is estimated, after Good and Turing, from those that a single case has
shown; see Böhme, "STADS: Software Testing as Species Discovery" (TOSEM 2018).

Blind to: the order of several clients' calls, pairs of faults, and the arguments of a call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.state import Tables
from midpipe.scenarios.model.verdict import CoverageRow

NO_FAULT = "none"
LAST_COMMAND_COUNTED = 8


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a fault can be injected.

    Args:
        operation: the subject's method.
        command: number of the command within the attempt, from 1; the eighth stands for all after it.
        name: the command's name.
        again: the attempt is a retry after an exception.
        state: state of the call's job, or of the queue if the call names no job.
    """

    operation: str
    command: int
    name: str
    again: bool
    state: str


Combination = tuple[Place, str]
"""A place, and the name of the fault injected there, or ``none``."""


@dataclass(frozen=True, slots=True)
class Met:
    """A place that a case reached, the fault injected there, and the faults that can be injected there."""

    place: Place
    fault: str
    possible: frozenset[str]


@dataclass(slots=True)
class Coverage:
    """Coverage so far. ``merge`` adds another worker's.

    Attributes:
        cases: by combination, the number of cases that showed it.
        possible: by place, the faults that can be injected there.
        examples: number of cases counted.
    """

    cases: Counter[Combination] = field(default_factory=Counter)
    possible: dict[Place, frozenset[str]] = field(default_factory=dict)
    examples: int = 0

    def add(self, met: Collection[Met]) -> float:
        """Count a case. Return its novelty: a sum over its combinations, in which rare ones weigh more."""
        combinations = {(m.place, m.fault) for m in met}
        novelty = sum(1 / (1 + self.cases[combination]) ** 2 for combination in combinations)
        self.cases.update(combinations)
        for m in met:
            self.possible[m.place] = self.possible.get(m.place, frozenset()) | m.possible
        self.examples += 1
        return novelty

    def learn(self, met: Iterable[Met]) -> None:
        """Count what another worker has seen as seen once, without its cases."""
        for m in met:
            self.cases.setdefault((m.place, m.fault), 1)
            self.possible[m.place] = self.possible.get(m.place, frozenset()) | m.possible

    def merge(self, other: Coverage) -> None:
        """Add the counts of another one."""
        self.cases.update(other.cases)
        self.examples += other.examples
        for place, faults in other.possible.items():
            self.possible[place] = self.possible.get(place, frozenset()) | faults

    @property
    def seen(self) -> int:
        """Number of combinations that cases have shown."""
        return len(self.cases)

    @property
    def known(self) -> int:
        """Number of combinations in the known space."""
        return sum(_size(faults) for faults in self.possible.values())

    @property
    def new_in_a_further_case(self) -> float:
        """Expected number of unseen combinations that one more case shows, by Good and Turing's estimate."""
        once = sum(1 for count in self.cases.values() if count == 1)
        return once / self.examples if self.examples else float("inf")

    def rows(self) -> tuple[CoverageRow, ...]:
        """Return the coverage of each operation, by name."""
        seen = Counter(place.operation for place, _ in self.cases)
        return tuple(
            CoverageRow(
                operation=operation,
                places=len(faults),
                seen=seen[operation],
                known=sum(map(_size, faults)),
            )
            for operation, faults in sorted(_by_operation(self.possible).items())
        )

    def unseen(self) -> dict[str, tuple[tuple[int, str], ...]]:
        """Return, by operation, the (command, fault) pairs of first attempts that some state of the job still lacks."""
        found: dict[str, set[tuple[int, str]]] = {}
        for place, faults in self.possible.items():
            if place.again:
                continue
            missing = {f for f in faults if (place, f) not in self.cases}
            found.setdefault(place.operation, set()).update((place.command, f) for f in missing)
        return {operation: tuple(sorted(wanted)) for operation, wanted in found.items() if wanted}


def _size(faults: frozenset[str]) -> int:
    return len(faults | {NO_FAULT})


def _by_operation(
    possible: Mapping[Place, frozenset[str]],
) -> dict[str, list[frozenset[str]]]:
    found: dict[str, list[frozenset[str]]] = {}
    for place, faults in possible.items():
        found.setdefault(place.operation, []).append(faults)
    return found


def state_for(method: str, arguments: Iterable[tuple[str, Json]], tables: Tables | None) -> str:
    """Return the state of the call's job, or of the queue if the call names no job.

    Args:
        tables: None if midpipe does not know the layout of the subject's keys.
    """
    if tables is None:
        return "not visible"
    job_id = dict(arguments).get("job_id")
    if isinstance(job_id, str):
        statuses = set(tables.statuses(job_id))
        if len(statuses) > 1:
            return "differs between schemas"
        return statuses.pop() if statuses else "absent"
    if method in ("claim", "dequeue"):
        return "a job is pending" if tables.pending else "no job is pending"
    return "jobs" if tables.job_ids else "no jobs"
