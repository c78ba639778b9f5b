"""Random orders of several clients' events, seeded: for programs with too many orders to run them all. A scheduler.

A plain walk chooses any waiting client at each point. With a depth it is PCT (Burckhardt et al., "A Randomized
Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010): clients have random priorities, the client with
the highest goes next, and at depth - 1 random steps its priority drops below all others. Each run then finds a bug of
depth d, among n clients and k steps, with a probability of at least 1 / (n * k ** (d - 1)).

The schedule of a run lists all its steps, so it can be replayed like any other. What a run does follows from the seed
and from its block alone, so that a walk can be divided among workers: each runs the blocks of its share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from midpipe.faultinject.decide.decider import Planner
from midpipe.faultinject.decide.schedule import PlannedStep, Schedule, planned
from midpipe.faultinject.faults import Placeable
from midpipe.faultinject.vocabulary import Decision, FaultRef, Point, RunEnd, WireEvent

SAMPLED = "sampled"
RUNS_OF_A_BLOCK = 100
"""The length of a run is guessed from the runs before it in its block."""
_FIRST_GUESS_OF_STEPS = 8
T = TypeVar("T")


class Rng(Protocol):
    """The methods of random.Random that a walk uses."""

    def random(self) -> float: ...

    def choice(self, seq: Sequence[T], /) -> T: ...

    def sample(self, population: Sequence[T], k: int) -> list[T]: ...


def share_of_runs(runs: int, index: int, count: int) -> Iterator[int]:
    """Yield the numbers of the runs, from 1, whose block belongs to one of several shares.

    Args:
        runs: of all shares together.
        index: of the share, from 0.
        count: number of shares.
    """
    return (
        number for number in range(1, runs + 1) if (number - 1) // RUNS_OF_A_BLOCK % count == index
    )


class Walk(Planner):
    """Decides a number of random runs, which the ledger counts in rows marked as sampled.

    Args:
        rng: makes a random number generator from a seed: random.Random.
        runs: the numbers of the runs, from 1; whole blocks, as ``share_of_runs`` yields them.
        seed: the same seed, program and number give the same run.
        depth: None is a plain walk; a number is PCT's bound on the depth of a bug.
        max_faults: faults per run.
        faults: returns the faults that can be placed at an event.
        by_label: name the steps by what is sent, for clients that do not send the same commands each time.
    """

    def __init__(
        self,
        rng: Callable[[str], Rng],
        *,
        runs: Iterable[int],
        seed: int,
        depth: int | None = None,
        max_faults: int = 0,
        faults: Placeable = lambda event: (),
        by_label: bool = False,
    ) -> None:
        super().__init__()
        self._make_rng = rng
        self._runs = iter(runs)
        self._seed = seed
        self._number = 0
        self._depth = depth
        self._max_faults = max_faults
        self._faults = faults
        self._by_label = by_label
        self._steps = _FIRST_GUESS_OF_STEPS
        self._is_first = True
        self._moves: list[PlannedStep] = []
        self.restart()

    @property
    def current(self) -> Schedule:
        """The steps of the current run so far."""
        return Schedule(tuple(self._moves))

    @property
    def label(self) -> str:
        return f"{super().label} ({SAMPLED})"

    def begin(self) -> bool:
        number = next(self._runs, None)
        if number is None:
            return False
        self._number = number
        self._is_first = number % RUNS_OF_A_BLOCK == 1
        if self._is_first:
            self._steps = _FIRST_GUESS_OF_STEPS
        self.restart()
        return True

    def restart(self) -> None:
        self._rng = self._make_rng(f"{self._seed}/{self._number}")
        self._moves = []
        self._priorities: dict[str, float] = {}
        wanted = max(0, (self._depth or 1) - 1)
        steps = range(1, self._steps + 1)
        self._drops = set(self._rng.sample(steps, min(wanted, len(steps))))
        self._fault_steps = set(self._rng.sample(steps, min(self._max_faults, len(steps))))

    def decide(self, point: Point) -> Decision:
        if point.choices[0].position.inside:
            return Decision(point.choices[0])
        event = self._rng.choice(point.choices) if self._depth is None else self._highest(point)
        fault = self._fault_at(event)
        self._moves.append(planned(event, fault, by_label=self._by_label))
        return Decision(event, fault)

    def end(self, run: RunEnd) -> None:
        longest = 0 if self._is_first else self._steps
        self._steps = max(longest, len(self._moves))
        self.ledger.planned(self.label, self.place)

    def _highest(self, point: Point) -> WireEvent:
        for event in sorted(point.choices, key=lambda choice: choice.position):
            self._priorities.setdefault(event.position.client, 1.0 + self._rng.random())
        if len(self._moves) + 1 in self._drops:
            top = max(point.choices, key=self._priority)
            self._priorities[top.position.client] = -float(len(self._moves))
        return max(point.choices, key=self._priority)

    def _priority(self, event: WireEvent) -> float:
        return self._priorities[event.position.client]

    def _fault_at(self, event: WireEvent) -> FaultRef | None:
        if len(self._moves) + 1 not in self._fault_steps:
            return None
        possible = self._faults(event)
        return self._rng.choice(possible) if possible else None
