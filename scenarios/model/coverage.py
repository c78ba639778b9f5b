"""What fuzzing has covered: operation × fault × position × state of the job. Values and counting, no engine.

A *place* is where a fault can happen: the operation, which of its commands, in a first attempt or a later one, and the
state that the job is in at that moment. A *combination* is a place and the fault that happened there, or ``none``.

The *known space* is every combination that the run has shown to be possible: a place that was met, with each fault
that can be placed at its command, because whoever met the place could have placed it there. It grows as places are
found, so it is a lower bound of what can be reached, and never a promise that this was all. How much is still out there
is estimated after Good and Turing from the combinations that one case only has shown; see Böhme, "STADS: Software
Testing as Species Discovery" (TOSEM 2018).

Blind to: the order of several clients' calls, pairs of faults, and the arguments of a call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.state import Tables

NO_FAULT = "none"
LAST_COMMAND_TOLD = 8


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a fault can happen.

    Args:
        operation: the subject's method.
        command: which command of the attempt, from 1; the eighth stands for all after it.
        name: of the command.
        again: the caller tries again after an exception.
        state: of the call's job, or of the queue for a call that names none.
    """

    operation: str
    command: int
    name: str
    again: bool
    state: str


Combination = tuple[Place, str]
"""A place, and the fault that happened there by name, or ``none``."""


@dataclass(frozen=True, slots=True)
class Met:
    """A place that a case met, the fault that happened, and those that could have been placed."""

    place: Place
    fault: str
    possible: frozenset[str]


@dataclass(frozen=True, slots=True)
class OperationCovered:
    """What was covered of one operation.

    Args:
        places: how many were met.
        seen, known: combinations that were seen, and those of the known space.
    """

    operation: str
    places: int
    seen: int
    known: int


@dataclass(slots=True)
class Coverage:
    """What has been covered so far. Two of them add up.

    Attributes:
        cases: by combination, in how many cases it was seen.
        possible: by place, the faults that can be placed there.
        examples: how many cases were counted.
    """

    cases: Counter[Combination] = field(default_factory=Counter)
    possible: dict[Place, frozenset[str]] = field(default_factory=dict)
    examples: int = 0

    def add(self, met: Collection[Met]) -> float:
        """Count a case; return how new it was: every combination counts, the less often seen the more."""
        combinations = {(m.place, m.fault) for m in met}
        novelty = sum(1 / (1 + self.cases[combination]) ** 2 for combination in combinations)
        self.cases.update(combinations)
        for m in met:
            self.possible[m.place] = self.possible.get(m.place, frozenset()) | m.possible
        self.examples += 1
        return novelty

    def merge(self, other: Coverage) -> None:
        """Add what another one has counted."""
        self.cases.update(other.cases)
        self.examples += other.examples
        for place, faults in other.possible.items():
            self.possible[place] = self.possible.get(place, frozenset()) | faults

    @property
    def seen(self) -> int:
        """How many combinations were seen."""
        return len(self.cases)

    @property
    def known(self) -> int:
        """How many combinations the known space has."""
        return sum(_size(faults) for faults in self.possible.values())

    @property
    def new_in_a_further_case(self) -> float:
        """How many combinations that nobody has seen one more case shows, by Good and Turing's estimate."""
        once = sum(1 for count in self.cases.values() if count == 1)
        return once / self.examples if self.examples else float("inf")

    def rows(self) -> tuple[OperationCovered, ...]:
        """Return what was covered of each operation, by name."""
        seen = Counter(place.operation for place, _ in self.cases)
        return tuple(
            OperationCovered(
                operation=operation,
                places=len(faults),
                seen=seen[operation],
                known=sum(map(_size, faults)),
            )
            for operation, faults in sorted(_by_operation(self.possible).items())
        )

    def unseen(self) -> dict[str, tuple[tuple[int, str], ...]]:
        """Return, by operation, commands of a first attempt with faults that were never seen there in some state."""
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
    """Return the state of the call's job, or of the queue for a call that names none.

    Args:
        tables: None if the subject's keys can't be read.
    """
    if tables is None:
        return "not to be seen"
    job_id = dict(arguments).get("job_id")
    if isinstance(job_id, str):
        statuses = set(tables.statuses(job_id))
        if len(statuses) > 1:
            return "told in two ways"
        return statuses.pop() if statuses else "absent"
    if method in ("claim", "dequeue"):
        return "a job waits" if tables.pending else "no job waits"
    return "jobs" if tables.job_ids else "no jobs"
