"""The sweep: every fault at every position, up to a number of faults per case. A scheduler.

The first run has no fault and reveals the positions. Each run with fewer faults than the bound is the parent of runs
that place one more fault, after its last one; so no combination is tried twice, and cases with fewer faults come first.
Cases with equally many faults come in ``rounds``, and in each round what finds the most bugs at every position first.
A sweep that samples has one case of each kind of fault in its first round, after those.
A sweep can be stopped between two cases; another one resumes at its frontier.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from midpipe.faultinject.decide.decider import Planner
from midpipe.faultinject.decide.ledger import NO_FAULT, Ledger
from midpipe.faultinject.decide.pruning import rule_against
from midpipe.faultinject.decide.rounds import place_in_round, round_of
from midpipe.faultinject.decide.schedule import (
    PlannedStep,
    Schedule,
    fault_label,
    place_of,
    planned,
)
from midpipe.faultinject.decide.scheduler import default_choice
from midpipe.faultinject.decide.share import share_of
from midpipe.faultinject.faults import Placeable, placeable
from midpipe.faultinject.vocabulary import Decision, Label, Point, RunEnd, Step


@dataclass(frozen=True, slots=True)
class SweepFrontier:
    """Where a sweep stands between two runs.

    Args:
        waiting: the cases to run next, in order.
        later: the cases with one more fault, in the order in which they were planned.
        ledger: the counts so far.
        by_label: as in Sweep.
        labels: those at which a first fault has been planned.
        samples: the cases of a later round that belong to the first one.
    """

    waiting: tuple[Schedule, ...]
    later: tuple[Schedule, ...]
    ledger: Ledger
    by_label: bool = False
    labels: tuple[Label, ...] = ()
    samples: frozenset[Schedule] = frozenset()

    @property
    def next_round(self) -> int:
        """The round of the next case."""
        return _next_round(self.waiting, self.later, self.samples)


class Sweep(Planner):
    """Plans and decides the cases of one program.

    Args:
        max_faults: faults per case; 0 runs the program once, without faults.
        shard: (index, count): this sweep takes the share of the first faults that a hash of the case gives it. Every
            shard makes the run without faults; only shard 0 counts it.
        faults: returns the faults that can be placed at an event.
        frontier: where an earlier sweep of the same program and shard was stopped; None starts at the beginning.
        by_label: positions are labels, for a client whose ordinals name other commands in each run. What a run sends
            before its first fault is a position as well, even if no run before sent it.
        samples: run one case of each kind of fault in the first round, so that every kind is placed in a short time.
    """

    def __init__(
        self,
        max_faults: int = 1,
        shard: tuple[int, int] = (0, 1),
        faults: Placeable = placeable,
        frontier: SweepFrontier | None = None,
        by_label: bool = False,
        *,
        samples: bool = False,
    ) -> None:
        super().__init__(frontier.ledger if frontier else None)
        self._max_faults = max_faults
        self._index, self._shards = shard
        self._faults = faults
        self._waiting = deque(frontier.waiting if frontier else ())
        self._next_level = list(frontier.later if frontier else ())
        self._baseline_is_due = frontier is None
        self._current = Schedule()
        self._by_label = frontier.by_label if frontier else by_label
        self._labels: dict[Label, None] = dict.fromkeys(frontier.labels if frontier else ())
        self._is_sampling = samples
        self._samples = frontier.samples if frontier else frozenset()
        self._left: list[PlannedStep] = []
        if frontier is None and self._index == 0:
            self.ledger.planned(NO_FAULT)

    @property
    def current(self) -> Schedule:
        return self._current

    def begin(self) -> bool:
        if self._baseline_is_due:
            self._baseline_is_due = False
            self._current = Schedule()
            self.restart()
            return True
        if not self._waiting:
            self._open_next_level()
        if not self._waiting:
            return False
        self._current = self._waiting.popleft()
        self.restart()
        return True

    @property
    def counts_current(self) -> bool:
        """Whether the current case belongs to this shard; the run without faults belongs to shard 0."""
        return self._index == 0 or bool(self._current.faults)

    @property
    def next_round(self) -> int | None:
        """The round of the next case; None if every planned case was run."""
        if not self._waiting and not self._next_level:
            return None
        return _next_round(self._waiting, self._next_level, self._samples)

    def frontier(self) -> SweepFrontier | None:
        """Return where the sweep stands after the last run; None if every planned case was run."""
        if self.next_round is None:
            return None
        return SweepFrontier(
            tuple(self._waiting),
            tuple(self._next_level),
            self.ledger.copy(),
            self._by_label,
            tuple(self._labels),
            self._samples,
        )

    def restart(self) -> None:
        """Start the same run again."""
        self._left = list(self._current.faults)

    def decide(self, point: Point) -> Decision:
        event = default_choice(point)
        for step in self._left:
            if event.is_at(step.position):
                # Polls that find nothing share a label; the fault happens at the first one.
                self._left.remove(step)
                return Decision(event, step.fault)
        return Decision(event)

    def end(self, run: RunEnd) -> None:
        if not run.valid or not self._max_faults:
            return
        faults = self._current.faults
        if not faults or self._by_label:
            self._plan(Schedule(), self._unplanned(_before_first_fault(run.steps)))
        if faults and len(faults) < self._max_faults:
            self._plan(self._current, self._after_last_fault(run.steps))

    def _plan(self, parent: Schedule, steps: Iterable[Step]) -> None:
        """Plan the runs that place one more fault at one of these steps."""
        for step in steps:
            for fault in self._faults(step.event):
                more = planned(step.event, fault, by_label=self._by_label)
                child = Schedule((*parent.faults, more))
                if not parent.faults and share_of(str(child), self._shards) != self._index:
                    continue
                rule = rule_against(fault, step.event)
                if rule is not None:
                    self.ledger.pruned(fault_label(child), rule, place_of(child))
                    continue
                self.ledger.planned(fault_label(child), place_of(child))
                self._next_level.append(child)

    def _unplanned(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Yield the steps at which no first fault has been planned."""
        for step in steps:
            label = step.event.label if self._by_label else None
            if label is None or label not in self._labels:
                yield step
            if label is not None:
                self._labels[label] = None

    def _after_last_fault(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        last = self._current.faults[-1].position
        for number, step in enumerate(steps):
            if step.fault and step.event.is_at(last):
                later = steps[number + 1 :]
                return _each_label_once(later) if self._by_label else later
        return ()

    def _open_next_level(self) -> None:
        cases = sorted(self._next_level, key=place_in_round)
        if self._is_sampling and not self._samples:
            self._samples = _samples_of(cases)
            # What finds the most stays before the samples: the order is kept within a round.
            cases.sort(key=lambda case: _round_of(case, self._samples))
        self._waiting.extend(cases)
        self._next_level.clear()


def _before_first_fault(steps: tuple[Step, ...]) -> Iterator[Step]:
    return takewhile(lambda step: step.fault is None, steps)


def _each_label_once(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple({step.event.label or step.event.position: step for step in steps}.values())


def _next_round(
    waiting: Sequence[Schedule], later: Iterable[Schedule], samples: Collection[Schedule]
) -> int:
    """Return the round of the case that is run next, of those to run now and those with one more fault."""
    return _round_of(waiting[0], samples) if waiting else min(map(round_of, later))


def _round_of(case: Schedule, samples: Collection[Schedule]) -> int:
    return 0 if case in samples else round_of(case)


def _samples_of(cases: Iterable[Schedule]) -> frozenset[Schedule]:
    """Return the first case of each kind of fault."""
    first: dict[str, Schedule] = {}
    for case in cases:
        first.setdefault("+".join(fault.name for _, fault in case.placed), case)
    return frozenset(first.values())
