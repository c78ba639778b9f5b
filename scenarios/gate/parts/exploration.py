"""The sweep of all positions and faults of one client, and the exploration of the orders of several clients."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from midpipe.faultinject.decide.ledger import LedgerRow, merged_row
from midpipe.scenarios.explore.interleaving import RUNS_IF_NONDETERMINISTIC, InterleaveTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.resume import Checkpoint, OrdersState, request_of
from midpipe.scenarios.model.messages import (
    CaseEnded,
    ExplorationDone,
    ExplorationProgress,
    Message,
)
from midpipe.scenarios.model.verdict import Outcome, merge
from midpipe.scenarios.programs.fleets import needs_other_subject
from midpipe.scenarios.programs.program import Program, Version
from midpipe.scenarios.programs.registry import SUITES
from midpipe.scenarios.programs.single import SINGLE

MAX_NAMED = 3


def sweep_of(options: Options, results: Results, deadline_s: float) -> Exploration:
    """Return the part that places every fault at every command of every program of one client."""
    shards = max(1, options.jobs)
    return Exploration(
        "sweep",
        options,
        results,
        tuple(
            (
                program,
                SweepTask(
                    subject=options.subject,
                    program=program,
                    shard=(shard, shards),
                    max_faults=options.max_faults,
                    latency_bound_ms=options.latency_bound_ms,
                    deadline_s=deadline_s,
                ),
            )
            for program in _selected(options, SINGLE)
            for shard in range(shards)
        ),
    )


def orders_of(
    suite: str,
    options: Options,
    results: Results,
    deadline_s: float,
    resumed: Checkpoint | None = None,
) -> Exploration:
    """Return the part that runs every order of each program of several clients, or of a mixed fleet.

    Args:
        suite: ``interleave`` or ``fleet``.
        resumed: the checkpoint of an earlier run to resume.
    """
    state = (resumed.orders if resumed else None) or OrdersState()
    is_fleet = suite == "fleet"
    programs = {
        name: program
        for name, program in SUITES[suite].items()
        if not is_fleet or needs_other_subject(program) == (options.subject.beside is not None)
    }
    return Exploration(
        suite,
        options,
        results,
        tuple(
            (
                program,
                InterleaveTask(
                    subject=options.subject,
                    program=program,
                    max_preemptions=options.max_preemptions,
                    max_faults=(
                        options.max_fleet_faults if is_fleet else options.max_interleaved_faults
                    ),
                    prune=options.prune,
                    latency_bound_ms=options.latency_bound_ms,
                    deadline_s=deadline_s,
                    sampling=options.sampling,
                    frontier=state.frontiers.get(program),
                    max_orders=options.max_orders,
                ),
            )
            for program in _ordered(programs, options)
            if program not in state.finished
        ),
        resumed,
    )


def _ordered(programs: Mapping[str, Program], options: Options) -> tuple[str, ...]:
    """Return the programs in the order in which they are run.

    Programs of the same versions come together, so that no worker has to keep processes of every version. Among them
    the longest come first, because a long program started last keeps one worker busy while the others are idle. With
    fail-fast the shortest come first: they show most bugs of two clients after far fewer cases.
    """
    names, sign = _selected(options, programs), -1 if options.fail_fast is None else 1
    first_seen: dict[frozenset[Version], int] = {}
    for name in names:
        first_seen.setdefault(frozenset(programs[name].versions), len(first_seen))

    def place(name: str) -> tuple[int, int]:
        program = programs[name]
        return first_seen[frozenset(program.versions)], sign * program.length

    return tuple(sorted(names, key=place))


def _selected(options: Options, programs: Mapping[str, Program]) -> tuple[str, ...]:
    return tuple(name for name in programs if not options.programs or name in options.programs)


def _named(programs: Sequence[str]) -> str:
    return f"{', '.join(programs[:MAX_NAMED])}{', …' if len(programs) > MAX_NAMED else ''}"


class Exploration:
    """Explores the subject program by program, and counts what was run, pruned and not reached.

    Args:
        name: ``sweep``, ``interleave`` or ``fleet``.
        planned: each program with its task; a program with several shards comes several times.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        results: Results,
        planned: tuple[tuple[str, SweepTask | InterleaveTask], ...],
        resumed: Checkpoint | None = None,
    ) -> None:
        self.name = name
        self._options = options
        self._results = results
        self._planned = planned
        self._is_resumed = resumed is not None
        self._started_s = time.monotonic()
        self._spent_before_s = resumed.spent_s if resumed else 0.0
        state = (resumed.orders if resumed else None) or OrdersState()
        self._finished = list(state.finished)
        self._frontiers = dict(state.frontiers)
        self._missing = dict(state.missing)
        self._nondeterministic = dict(state.nondeterministic)
        self._bounded: list[str] = []
        self._cases, self._violated, self._invalid = state.cases, state.violated, state.invalid
        if resumed:
            results.tally = resumed.tally
        for row in state.ledger:
            self._add_to_ledger(row)

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        return self._planned

    def take(self, number: int, message: Message) -> None:
        program = self._planned[number][0]
        if isinstance(message, CaseEnded):
            self._take_case(message)
        elif isinstance(message, ExplorationProgress):
            self._frontiers[program] = message.frontier
        elif isinstance(message, ExplorationDone):
            self._results.partial = self._results.partial or message.stopped
            if message.nondeterministic:
                self._nondeterministic[program] = message.nondeterministic
            if message.bounded:
                self._bounded.append(program)
            if message.missing:
                self._missing[program] = message.missing
            self._frontiers.pop(program, None)
            if message.frontier is not None:
                self._frontiers[program] = message.frontier
                return
            if not message.stopped:
                self._finished.append(program)
            for row in message.ledger:
                self._add_to_ledger(row)

    def _take_case(self, ended: CaseEnded) -> None:
        if self._is_resumed and self._results.tally.knows(ended):
            # The earlier run had finished this case after it last saved its progress.
            return
        self._results.tally.add(ended)
        self._cases += 1
        self._violated += bool(ended.violations)
        self._invalid += bool(not ended.valid or ended.crashes)

    def checkpoint(self) -> Checkpoint | None:
        """Return the state that a later run can resume; None if everything was run."""
        if {program for program, _ in self._planned} <= set(self._finished):
            return None
        finished = set(self._finished)
        return Checkpoint(
            request=request_of(self._options),
            spent_s=self._spent_before_s + time.monotonic() - self._started_s,
            tally=self._results.tally,
            orders=OrdersState(
                finished=tuple(self._finished),
                frontiers=self._frontiers,
                missing=self._missing,
                nondeterministic=self._nondeterministic,
                cases=self._cases,
                violated=self._violated,
                invalid=self._invalid,
                ledger=tuple(r for r in self._results.ledger.values() if r.program in finished),
            ),
        )

    def finish(self, seconds: float) -> None:
        results = self._results
        seconds += self._spent_before_s
        for program, frontier in self._frontiers.items():
            for row in frontier.ledger.rows(program):
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
        for missing in sorted(set(self._missing.values())):
            programs = sorted(name for name, calls in self._missing.items() if calls == missing)
            were = "program was" if len(programs) == 1 else "programs were"
            results.warnings.append(
                f"{len(programs)} {were} not run because the subject has no {', '.join(missing)}: "
                f"{_named(programs)}{'' if len(programs) > MAX_NAMED else '.'}"
            )
        if len(self._missing) == len({program for program, _ in self._planned}):
            # No program of this part applies to the subject, as the warning says. That is no reason for unknown.
            outcomes.append(Outcome.PASS)
        results.parts[self.name] = merge(outcomes)

    def _add_to_ledger(self, row: LedgerRow) -> None:
        key = (row.program, row.fault)
        known = self._results.ledger.get(key)
        self._results.ledger[key] = row if known is None else merged_row((known, row))
