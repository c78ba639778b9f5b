"""The sweep: every fault at every position, up to a number of faults per case. A scheduler.

The first run has no fault and reveals the positions. Each run with fewer faults than the bound is the parent of runs
that place one more fault, after its last one; so no combination is tried twice, and cases with fewer faults come first.
Cases with equally many faults come in rounds, by ``Priority``: what finds the most bugs first, what has to wait last. A
sweep can be stopped between two cases; another one resumes at its frontier.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from midpipe.faultinject.decide.decider import Planner
from midpipe.faultinject.decide.ledger import NO_FAULT, Ledger
from midpipe.faultinject.decide.pruning import rule_against
from midpipe.faultinject.decide.schedule import Schedule, fault_label, place_of, planned
from midpipe.faultinject.decide.scheduler import default_choice
from midpipe.faultinject.decide.share import share_of
from midpipe.faultinject.faults import Placeable, Priority, placeable, priority_of
from midpipe.faultinject.vocabulary import Decision, Point, RunEnd, Step


@dataclass(frozen=True, slots=True)
class SweepFrontier:
    """Where a sweep stands between two runs.

    Args:
        waiting: the cases to run next, in order.
        later: the cases with one more fault, in the order in which they were planned.
        ledger: the counts so far.
    """

    waiting: tuple[Schedule, ...]
    later: tuple[Schedule, ...]
    ledger: Ledger

    @property
    def next_round(self) -> int:
        """The round of the next case."""
        return round_of(next_of(self.waiting, self.later))


class Sweep(Planner):
    """Plans and decides the cases of one program.

    Args:
        max_faults: faults per case; 0 runs the program once, without faults.
        shard: (index, count): this sweep takes the share of the first faults that a hash of the case gives it. Every
            shard makes the run without faults; only shard 0 counts it.
        faults: returns the faults that can be placed at an event.
        frontier: where an earlier sweep of the same program and shard was stopped; None starts at the beginning.
    """

    def __init__(
        self,
        max_faults: int = 1,
        shard: tuple[int, int] = (0, 1),
        faults: Placeable = placeable,
        frontier: SweepFrontier | None = None,
    ) -> None:
        super().__init__(frontier.ledger if frontier else None)
        self._max_faults = max_faults
        self._index, self._shards = shard
        self._faults = faults
        self._waiting = deque(frontier.waiting if frontier else ())
        self._next_level = list(frontier.later if frontier else ())
        self._baseline_is_due = frontier is None
        self._current = Schedule()
        if frontier is None and self._index == 0:
            self.ledger.planned(NO_FAULT)

    @property
    def current(self) -> Schedule:
        return self._current

    def begin(self) -> bool:
        if self._baseline_is_due:
            self._baseline_is_due = False
            self._current = Schedule()
            return True
        if not self._waiting:
            self._open_next_level()
        if not self._waiting:
            return False
        self._current = self._waiting.popleft()
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
        return round_of(next_of(self._waiting, self._next_level))

    def frontier(self) -> SweepFrontier | None:
        """Return where the sweep stands after the last run; None if every planned case was run."""
        if self.next_round is None:
            return None
        return SweepFrontier(tuple(self._waiting), tuple(self._next_level), self.ledger.copy())

    def restart(self) -> None:
        """Start the same run again; there is no state to reset."""

    def decide(self, point: Point) -> Decision:
        event = default_choice(point)
        for step in self._current.faults:
            if step.position == event.position:
                return Decision(event, step.fault)
        return Decision(event)

    def end(self, run: RunEnd) -> None:
        if run.valid and len(self._current.faults) < self._max_faults:
            self._plan_children(run.steps)

    def _plan_children(self, steps: tuple[Step, ...]) -> None:
        for step in self._after_last_fault(steps):
            for fault in self._faults(step.event):
                child = Schedule((*self._current.faults, planned(step.event, fault)))
                is_first = not self._current.faults
                if is_first and share_of(str(child), self._shards) != self._index:
                    continue
                rule = rule_against(fault, step.event)
                if rule is not None:
                    self.ledger.pruned(fault_label(child), rule, place_of(child))
                    continue
                self.ledger.planned(fault_label(child), place_of(child))
                self._next_level.append(child)

    def _after_last_fault(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        faults = self._current.faults
        if not faults:
            return steps
        for number, step in enumerate(steps):
            if step.event.position == faults[-1].position:
                return steps[number + 1 :]
        return ()

    def _open_next_level(self) -> None:
        self._waiting.extend(sorted(self._next_level, key=round_of))
        self._next_level.clear()


def next_of(waiting: Sequence[Schedule], later: Iterable[Schedule]) -> Schedule:
    """Return the case that is run next, of those to run now and those with one more fault."""
    return waiting[0] if waiting else min(later, key=round_of)


def round_of(schedule: Schedule) -> int:
    """Return the round in which a sweep runs the case: by the number of its faults, then by the slowest of them."""
    faults = [fault for _, fault in schedule.placed]
    slowest = max(map(priority_of, faults), default=Priority.FINDS_MOST)
    return max(0, len(faults) - 1) * len(Priority) + slowest
