"""Hunts violations: runs the cases of a queue until each of the named invariants is violated."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial

from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.ledger import NO_FAULT
from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.sweep import Sweep
from midpipe.faultinject.faults import Pace
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.explore.fault_selection import Aim, selected
from midpipe.scenarios.explore.orders import Orders
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.fuzz.task import FuzzTask
from midpipe.scenarios.model.messages import CaseEnded, Caught, HuntDone, Message
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.fleets import has_part
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import SUITES, program_named


@dataclass(frozen=True, slots=True)
class HuntTask:
    """Run the cases of a queue, program by program, until each of the invariants is violated.

    Args:
        invariants: what is hunted; empty runs every case.
        latency_bound_ms: for a subject that declares none.
        programs: by name; empty takes all that the subject can run.
        faults: by name, ``none`` for no fault; empty takes all.
        commands: names of the commands to break. If it is empty, or no program sends one of them, all are broken.
        lasting: only a violation that also holds in the final state counts.
        suite: ``sweep`` sweeps the programs of one client; ``interleave`` and ``fleet`` run every order of those of
            several, without faults; ``fuzz`` writes programs of its own.
        budget_s: of ``fuzz``, for how long at most.
        deadline_s: on the monotonic clock; no case begins after it.
        seed: of ``fuzz``.
        part: of ``fuzz``; only a violation in whose program this part occurs counts.
        needs_stepped_clock: nothing is run on the machine's clock.
    """

    subject: SubjectSpec
    invariants: tuple[str, ...]
    _: KW_ONLY
    latency_bound_ms: float
    programs: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    lasting: bool = False
    suite: str = "sweep"
    budget_s: float = math.inf
    deadline_s: float = math.inf
    seed: int = 0
    part: str = ""
    needs_stepped_clock: bool = False

    def run(self, worker: Worker) -> Iterator[Message]:
        if self.needs_stepped_clock and not worker.clock.is_stepped:
            yield HuntDone((), cases=0, invalid=0, runnable=0, reason=worker.clock.reason)
            return
        traits = worker.rig(self.subject).traits
        began_s = time.monotonic()
        caught: dict[str, Caught] = {}
        cases = invalid = unconfirmed = 0
        stopped = False
        named = [program_named(name) for name in self.programs or SUITES.get(self.suite, ())]
        programs = tuple(
            program for program in named if not missing_for(program, self.subject, traits)
        )
        for ended in self._cases(worker, programs):
            cases += 1
            invalid += not ended.valid
            unconfirmed += bool(ended.unconfirmed)
            for invariant, seen in self._counting_violations(ended):
                seconds = time.monotonic() - began_s
                first = Caught(invariant, ended.replay, cases, seconds, seen)
                caught.setdefault(invariant, first)
            if self.invariants and caught.keys() >= set(self.invariants):
                break
            if worker.is_over(self.deadline_s):
                stopped = True
                break
        yield HuntDone(
            caught=tuple(caught.values()),
            cases=cases,
            invalid=invalid,
            runnable=len(programs),
            stopped=stopped,
            unconfirmed=unconfirmed,
        )

    def _counting_violations(self, ended: CaseEnded) -> Iterator[tuple[str, str]]:
        """Yield each invariant whose violation counts, and the first observation that shows it."""
        if self.part and not has_part(self.part, program_named(ended.program)):
            return
        for violation in ended.violations:
            seen = [e.seen for e in violation.evidence if e.lasts or not self.lasting]
            if seen:
                yield violation.invariant, seen[0]

    def _cases(self, worker: Worker, programs: tuple[Program, ...]) -> Iterator[CaseEnded]:
        if self.suite == "fuzz":
            yield from self._fuzzed(worker)
        elif self.suite == "sweep":
            yield from self._swept(worker, programs)
        else:
            rig = worker.rig(self.subject)
            is_over = partial(worker.may_not_confirm, self.deadline_s)
            for program in programs:
                orders = Orders(rig, program, _every_order, self.latency_bound_ms, is_over=is_over)
                yield from orders.cases()

    def _fuzzed(self, worker: Worker) -> Iterator[CaseEnded]:
        task = FuzzTask(
            subject=self.subject,
            seed=self.seed,
            latency_bound_ms=self.latency_bound_ms,
            deadline_s=min(self.deadline_s, time.monotonic() + self.budget_s),
            # With a part it must go on: a violation may turn out not to count.
            invariants=() if self.part else self.invariants,
        )
        for message in task.run(worker):
            if isinstance(message, CaseEnded):
                yield message

    def _swept(self, worker: Worker, programs: tuple[Program, ...]) -> Iterator[CaseEnded]:
        """Run every program without faults, then with those faults that cost little, then with the others."""
        run = partial(
            explore,
            worker.rig(self.subject),
            latency_bound_ms=self.latency_bound_ms,
            is_over=partial(worker.may_not_confirm, self.deadline_s),
        )
        for program in programs:
            yield from run(program, Sweep(0))
        if self.faults == (NO_FAULT,):
            return
        for commands in (self.commands, ()) if self.commands else ((),):
            placed = False
            for pace, program in _by_cost(programs):
                faults = selected(
                    worker.server.is_ours,
                    self.faults,
                    Aim(at=commands),
                    pace,
                    is_stepped=worker.clock.is_stepped,
                )
                sweep = Sweep(1, faults=faults)
                for ended in run(program, sweep):
                    if ended.faults:
                        placed = True
                        yield ended
            if placed:
                return


def _every_order(independence: Independence, frontier: Frontier | None) -> Interleave:
    return Interleave(independence=independence, frontier=frontier)


def _by_cost(programs: tuple[Program, ...]) -> tuple[tuple[Pace, Program], ...]:
    """Return what to sweep: program by program the quick faults and those that wait, last what starts a process."""
    on_the_wire = (Pace.QUICK, Pace.WAITS_FOR_TIME_OUT)
    return (
        *((pace, program) for program in programs for pace in on_the_wire),
        *((Pace.STARTS_A_PROCESS, program) for program in programs),
    )
