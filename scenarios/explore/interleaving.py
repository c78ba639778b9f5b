"""An interleave task from its first case to its last: every order, or random ones of a subject that is not steady."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random

from midpipe.faultinject.decide.interleave import Frontier, Interleave
from midpipe.faultinject.decide.ledger import Ledger
from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.walk import Walk
from midpipe.faultinject.faults import Placeable
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.explore import DIVERGED, dry_run, explore
from midpipe.scenarios.explore.orders import Orders
from midpipe.scenarios.explore.tasks import (
    RUNS_IF_NONDETERMINISTIC,
    ExplorationDone,
    ExplorationProgress,
    InterleaveTask,
    Message,
)
from midpipe.scenarios.model.messages import Sampling
from midpipe.scenarios.programs.program import Program

_TELLS_EVERY_S = 1.0


class Interleaving:
    """Does one task on a rig.

    Args:
        faults: which faults can be placed at an event.
        is_over: no further case is to be begun.
    """

    def __init__(
        self,
        rig: Rig,
        program: Program,
        task: InterleaveTask,
        faults: Placeable,
        is_over: Callable[[], bool],
    ) -> None:
        self._rig = rig
        self._program = program
        self._task = task
        self._faults = faults
        self._is_over = is_over
        self._ledgers: list[Ledger] = []
        self._nondeterministic = ""
        self._stopped = False
        self._bounded = False
        self._frontier: Frontier | None = None

    def messages(self) -> Iterator[Message]:
        """Run the cases; the result comes last."""
        task = self._task
        rehearsed = dry_run(self._rig, self._program, task.latency_bound_ms)
        if rehearsed.misfit:
            yield ExplorationDone((), (rehearsed.misfit,))
            return
        self._nondeterministic = rehearsed.nondeterministic
        if not task.sampling and not self._nondeterministic:
            yield from self._every_order()
        if task.sampling or self._nondeterministic:
            yield from self._random_orders(task.sampling or Sampling(RUNS_IF_NONDETERMINISTIC, 0))
        name = self._program.name
        yield ExplorationDone(
            tuple(row for ledger in self._ledgers for row in ledger.rows(name)),
            stopped=self._stopped,
            nondeterministic=self._nondeterministic,
            frontier=self._frontier,
            bounded=self._bounded,
        )

    def _every_order(self) -> Iterator[Message]:
        task = self._task
        orders = Orders(self._rig, self._program, self._plan, task.latency_bound_ms, task.frontier)
        told_s = time.monotonic()
        for number, ended in enumerate(orders.cases(), 1):
            yield ended
            if time.monotonic() > told_s + _TELLS_EVERY_S:
                yield ExplorationProgress(orders.planner.frontier())
                told_s = time.monotonic()
            if ended.invalid_reason.startswith(DIVERGED):
                # Every order is a promise that only a subject can keep which does the same each time.
                self._nondeterministic = ended.invalid_reason.removeprefix(DIVERGED)
                break
            if self._is_over():
                self._stopped = True
                self._frontier = orders.planner.frontier()
                break
            if number == task.max_orders and orders.planner.has_more:
                self._bounded = True
                break
        self._ledgers.append(orders.planner.ledger)

    def _plan(self, independence: Independence, frontier: Frontier | None) -> Interleave:
        task = self._task
        return Interleave(
            task.max_preemptions,
            task.max_faults,
            self._faults,
            prune=task.prune,
            independence=independence,
            frontier=frontier,
        )

    def _random_orders(self, sampling: Sampling) -> Iterator[Message]:
        walk = Walk(
            Random,
            sampling.runs,
            sampling.seed,
            sampling.depth,
            self._task.max_faults,
            self._faults,
        )
        bound_ms = self._task.latency_bound_ms
        for ended in explore(self._rig, self._program, walk, latency_bound_ms=bound_ms):
            yield ended
            if self._is_over():
                self._stopped = True
                break
        self._ledgers.append(walk.ledger)
