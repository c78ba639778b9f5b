"""Explores the orders of one program's clients: every one, or random ones if the subject is not deterministic."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from random import Random

from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.ledger import Ledger
from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.walk import Walk, share_of_runs
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.explore.fault_selection import ANYWHERE, Aim, selected
from midpipe.scenarios.explore.orders import Orders
from midpipe.scenarios.explore.preparing import Prepared, prepared, with_progress
from midpipe.scenarios.explore.running import DIVERGED
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import (
    RUNS_IF_NONDETERMINISTIC,
    CaseEnded,
    ExplorationDone,
    Message,
    Sampling,
)
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import program_named

INTERLEAVED_FAULTS = ("cut-before", "lost-reply")
"""With several clients the order is what counts; these two say whether the command ran or not."""
CRASHES = ("crash", "crash-before")
"""Placed as well where a worker may hold a job: only the death of its holder leaves a job to others."""
PASSING_TIME = ("elapse",)
"""Placed as well where a worker may hold a job, on a stepped clock: time is one more event of the order."""
HANDING_OUT = frozenset({"claim", "dequeue", "work"})
"""The calls by which a worker gets a job."""


def faults_for(program: Program) -> tuple[str, ...]:
    """Return the names of the faults that are placed in a program of several clients, where they are possible."""
    hands_out = bool(program.methods & HANDING_OUT)
    return INTERLEAVED_FAULTS + (CRASHES + PASSING_TIME if hands_out else ())


@dataclass(frozen=True, slots=True)
class InterleaveTask:
    """Run every order of one program's clients, within bounds.

    Args:
        program: its name, or one that is not registered.
        max_preemptions: per run; None sets no bound.
        max_faults: faults per run.
        prune: leave out orders whose result is known from others.
        latency_bound_ms: for a subject that declares none.
        deadline_s: on the monotonic clock, which all processes share; no case begins after it.
        sampling: random orders instead of every one; None runs every one.
        frontier: where an earlier task stopped; this one resumes there.
        max_orders: run only so many, the simplest ones; None sets no bound.
        until_round: no order of a later round begins.
        orders_run: how many of them earlier tasks have run.
        aim: which faults to place, and at which commands; with no faults named, those of ``faults_for``.
    """

    subject: SubjectSpec
    program: str | Program
    _: KW_ONLY
    max_preemptions: int | None
    max_faults: int
    prune: bool
    latency_bound_ms: float
    deadline_s: float = math.inf
    sampling: Sampling | None = None
    frontier: Frontier | None = None
    max_orders: int | None = None
    until_round: int = sys.maxsize
    orders_run: int = 0
    aim: Aim = ANYWHERE

    def run(self, worker: Worker) -> Iterator[Message]:
        before = prepared(
            worker.rig(self.subject),
            program_named(self.program),
            self.latency_bound_ms,
            is_resumed=self.frontier is not None,
        )
        if isinstance(before, ExplorationDone):
            yield before
            return
        yield from _Interleaving(self, worker, before).messages()


class _Interleaving:
    """One task under way."""

    def __init__(self, task: InterleaveTask, worker: Worker, before: Prepared) -> None:
        self._task = task
        self._worker = worker
        self._rig = before.rig
        self._program = before.program
        self._nondeterministic = before.nondeterministic
        self._is_ordered = before.is_ordered
        self._faults = selected(
            worker.server.is_ours,
            task.aim.faults or faults_for(self._program),
            task.aim,
            is_stepped=self._rig.time.is_stepped,
        )
        self._ledgers: list[Ledger] = []
        self._stopped = False
        self._bounded = False
        self._frontier: Frontier | None = None

    def messages(self) -> Iterator[Message]:
        """Run the cases; yields the result last."""
        sampling = self._task.sampling
        if not sampling and not self._nondeterministic:
            yield from self._every_order()
        if sampling or self._nondeterministic:
            yield from self._random_orders(sampling or Sampling(RUNS_IF_NONDETERMINISTIC, 0))
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
        orders = Orders(
            rig=self._rig,
            program=self._program,
            plan=self._plan,
            latency_bound_ms=task.latency_bound_ms,
            frontier=task.frontier,
            is_over=self._may_not_confirm,
        )
        number = task.orders_run
        for message in with_progress(orders.cases(), lambda: orders.planner.frontier()):
            yield message
            if not isinstance(message, CaseEnded):
                continue
            number += 1
            if message.invalid_reason.startswith(DIVERGED):
                # "Every order" means something only for a subject that does the same each time.
                self._nondeterministic = message.invalid_reason.removeprefix(DIVERGED)
                self._is_ordered = False
                break
            is_last = task.max_orders is not None and number >= task.max_orders
            if is_last and orders.planner.has_more:
                self._bounded = True
                break
            self._stopped = self._is_over()
            if self._stopped or (orders.planner.next_round or 0) > task.until_round:
                self._frontier = orders.planner.frontier()
                break
        self._ledgers.append(orders.planner.ledger)

    def _is_over(self) -> bool:
        return self._worker.is_over(self._task.deadline_s)

    def _may_not_confirm(self) -> bool:
        return self._worker.may_not_confirm(self._task.deadline_s)

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
        task = self._task
        walk = Walk(
            Random,
            runs=share_of_runs(sampling.runs, *sampling.share),
            seed=sampling.seed,
            depth=sampling.depth,
            max_faults=task.max_faults,
            faults=self._faults,
            by_label=not self._is_ordered,
        )
        cases = explore(
            self._rig,
            self._program,
            walk,
            latency_bound_ms=task.latency_bound_ms,
            is_over=self._may_not_confirm,
        )
        for ended in cases:
            yield ended
            if self._is_over():
                self._stopped = True
                break
        self._ledgers.append(walk.ledger)
