"""A part that explores program by program: hands out its tasks, and counts what was run, pruned and not reached.

Knows nothing about which programs and tasks a part has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.ledger import NO_FAULT, LedgerRow, merged_row, not_reached_row
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.resume import Checkpoint, OrdersState, request_of
from midpipe.scenarios.gate.task_queue import TaskQueue, cut_off_phrase
from midpipe.scenarios.model.messages import (
    RUNS_IF_NONDETERMINISTIC,
    CaseEnded,
    ExplorationDone,
    ExplorationFrontier,
    ExplorationProgress,
    Message,
)
from midpipe.scenarios.model.verdict import NotRunRow, Outcome, merge
from midpipe.scenarios.programs.registry import program_named

if TYPE_CHECKING:
    from midpipe.scenarios.explore.worker import Task

LEAST_SLICE_S = 0.1
MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class Resume:
    """Where and for how long a task runs.

    Args:
        deadline_s: on the monotonic clock; no case begins after it.
        until_round: no case of a later round begins.
        frontier: where an earlier task of the same program stopped; None starts at the beginning.
        cases: the number of cases that earlier tasks have run.
    """

    deadline_s: float
    until_round: int
    frontier: ExplorationFrontier | None
    cases: int


@dataclass(slots=True)
class ProgramProgress:
    """One program of a part, or one shard of it, and how far it has come.

    Args:
        task_from: returns the task that goes on.
        frontier: where it stopped, if it can go on.
        ledger: its rows of the ledger so far.
        cases: number of cases run.
        is_resumed: the current task goes on from a frontier.
        is_finished: nothing is left to run.
        is_first: it has the program's run without faults.
    """

    program: str
    task_from: Callable[[Resume], Task]
    frontier: ExplorationFrontier | None = None
    ledger: tuple[LedgerRow, ...] = ()
    cases: int = 0
    is_resumed: bool = False
    is_finished: bool = False
    is_first: bool = True


def applies(program: str, options: Options, results: Results) -> bool:
    """Whether the subject has the calls of a program, as far as is known."""
    traits = results.traits
    return traits is None or not missing_for(program_named(program), options.subject, traits)


def _joined(calls: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(calls[:-1]), calls[-1]]))


def _named(programs: Sequence[str]) -> str:
    return f"{', '.join(programs[:MAX_NAMED])}{', …' if len(programs) > MAX_NAMED else ''}"


class Exploration:
    """Explores the subject program by program, and counts what was run, pruned and not reached.

    Args:
        name: ``sweep``, ``interleave`` or ``fleet``.
        planned: what is to be explored; a program with several shards comes several times.
        resumed: the checkpoint of an earlier run to resume.
        least_share: as in TaskQueue.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        results: Results,
        planned: tuple[ProgramProgress, ...],
        resumed: Checkpoint | None = None,
        *,
        least_share: float = 0.0,
    ) -> None:
        self.name = name
        self.queue = TaskQueue(len(planned), LEAST_SLICE_S, least_share)
        self._options = options
        self._results = results
        self._planned = planned
        self._started_s = time.monotonic()
        self._spent_before_s = resumed.spent_s if resumed else 0.0
        self._state = (resumed.orders if resumed else None) or OrdersState()
        self._missing = dict(self._state.missing)
        self._nondeterministic = dict(self._state.nondeterministic)
        self._bounded: set[str] = set()
        self._cases, self._violated = self._state.cases, self._state.violated
        self._invalid = self._state.invalid
        if resumed:
            results.tally = resumed.tally
        for progress in planned:
            progress.frontier = self._state.frontiers.get(progress.program)

    def task(self, number: int, deadline_s: float) -> tuple[str, Task]:
        progress = self._planned[number]
        progress.is_resumed = progress.frontier is not None
        resume = Resume(deadline_s, self.queue.round, progress.frontier, progress.cases)
        return progress.program, progress.task_from(resume)

    def take(self, number: int, message: Message) -> None:
        progress = self._planned[number]
        if isinstance(message, CaseEnded):
            self._take_case(progress, message)
        elif isinstance(message, ExplorationProgress):
            progress.frontier = message.frontier
            progress.ledger = message.frontier.ledger.rows(progress.program)
        elif isinstance(message, ExplorationDone):
            self._take_end(number, message)

    def _take_case(self, progress: ProgramProgress, ended: CaseEnded) -> None:
        if progress.is_resumed and self._results.tally.knows(ended):
            # The task before had finished this case after it last reported where it stands.
            return
        self._results.tally.add(ended)
        progress.cases += 1
        self._cases += 1
        self._violated += bool(ended.violations)
        self._invalid += bool(not ended.valid or ended.crashes or ended.unconfirmed)

    def _take_end(self, number: int, done: ExplorationDone) -> None:
        progress = self._planned[number]
        program = progress.program
        if done.nondeterministic:
            self._nondeterministic[program] = done.nondeterministic
        if done.bounded:
            self._bounded.add(program)
        if done.missing:
            self._missing[program] = done.missing
        if done.raised:
            sentence = (
                f"Without any fault, every call of the program {program} raises: {done.raised}."
            )
            if sentence not in self._results.raised:
                self._results.raised.append(sentence)
            self._invalid += 1
        progress.ledger, progress.frontier = done.ledger, done.frontier
        if done.frontier is not None:
            self.queue.put_back(number, done.frontier.next_round)
        elif done.stopped:
            # Random orders can't be continued.
            self._results.partial = True
        else:
            progress.is_finished = True

    def checkpoint(self) -> Checkpoint | None:
        """Return the state that a later run can resume; None if everything was run, or if the orders are random."""
        if self._options.sampling or all(progress.is_finished for progress in self._planned):
            return None
        finished = [progress for progress in self._planned if progress.is_finished]
        return Checkpoint(
            request=request_of(self._options),
            spent_s=self._spent_before_s + time.monotonic() - self._started_s,
            tally=self._results.tally,
            orders=OrdersState(
                finished=(*self._state.finished, *(progress.program for progress in finished)),
                frontiers={
                    progress.program: progress.frontier
                    for progress in self._planned
                    if isinstance(progress.frontier, Frontier)
                },
                missing=self._missing,
                nondeterministic=self._nondeterministic,
                cases=self._cases,
                violated=self._violated,
                invalid=self._invalid,
                ledger=(
                    *self._state.ledger,
                    *(row for progress in finished for row in progress.ledger),
                ),
            ),
        )

    def record_cut_off(self) -> str:
        programs = dict.fromkeys(progress.program for progress in self._planned)
        started = {
            progress.program
            for number, progress in enumerate(self._planned)
            if number not in self.queue.not_started
        }
        not_started = [name for name in programs if name not in started and self._applies(name)]
        unfinished = {p.program for p in self._planned if not p.is_finished} & started
        first = {progress.program for progress in self._planned if progress.is_first}
        for program in first.intersection(not_started) if self._results.traits else ():
            self._results.ledger.setdefault((program, NO_FAULT), not_reached_row(program))
        count = sum(map(self._applies, programs))
        total = f"{count} program{'' if count == 1 else 's'}"
        return cut_off_phrase(total, len(unfinished), len(not_started))

    def _applies(self, program: str) -> bool:
        return applies(program, self._options, self._results)

    def finish(self) -> None:
        results = self._results
        rows = [
            *self._state.ledger,
            *(row for progress in self._planned for row in progress.ledger),
        ]
        for row in rows:
            self._add_to_ledger(row)
        outcomes = [Outcome.PASS] if self._cases else []
        outcomes += [Outcome.FAIL] if self._violated else []
        outcomes += [Outcome.UNKNOWN] if self._invalid or self._nondeterministic else []
        for program, where in sorted(self._nondeterministic.items()):
            results.warnings.append(
                f"The subject is nondeterministic in {program}: {where}. "
                + (
                    "The sweep may have missed cases of this program."
                    if self.name == "sweep"
                    else f"{RUNS_IF_NONDETERMINISTIC} random orders of it were run instead of every order."
                )
            )
        if self._bounded:
            results.warnings.append(
                f"Only the simplest orders of {_named(sorted(self._bounded))} were run, up to the bound of --orders; "
                "the ledger counts the others as not reached."
            )
        lacking = sorted(name for name in self._missing if not self._applies(name))
        if lacking:
            lacks = sorted({call for name in lacking for call in self._missing[name]})
            results.not_run.append(NotRunRow(self.name, tuple(lacking), tuple(lacks)))
        if misfits := sorted(self._missing.keys() - set(lacking)):
            were = "program was" if len(misfits) == 1 else "programs were"
            calls = sorted({call for name in misfits for call in self._missing[name]})
            results.warnings.append(
                f"{len(misfits)} {were} not run because the subject has no {_joined(calls)}: "
                f"{_named(misfits)}{'' if len(misfits) > MAX_NAMED else '.'}"
            )
        if self._has_missed(rows):
            outcomes.append(Outcome.UNKNOWN)
            results.warnings.append(
                f"{self.name} placed no fault: no command of its programs matches {self._options.aim}."
            )
        if len(self._missing) == len({progress.program for progress in self._planned}):
            # No program of this part applies to the subject, as the warning says. That is no reason for unknown.
            outcomes.append(Outcome.PASS)
        results.parts[self.name] = merge(outcomes)

    def _has_missed(self, rows: Sequence[LedgerRow]) -> bool:
        """Whether the user aimed at commands or faults, and no case had a fault that matches."""
        options = self._options
        bounds = {
            "sweep": options.max_faults,
            "interleave": options.max_interleaved_faults,
            "fleet": options.max_fleet_faults,
        }
        hit = any(row.run for row in rows if row.fault != NO_FAULT)
        return bool(options.aim and bounds[self.name] and rows) and not hit

    def _add_to_ledger(self, row: LedgerRow) -> None:
        key = (row.program, row.fault)
        known = self._results.ledger.get(key)
        self._results.ledger[key] = row if known is None else merged_row((known, row))
