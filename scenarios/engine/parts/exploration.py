"""The exploration of the subject: every position and fault of one client, every order of several; counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from scenarios.engine.explore import CaseEnded
from scenarios.engine.options import Options
from scenarios.engine.parts.part import Gathered
from scenarios.engine.tasks import (
    RUNS_IF_UNSTEADY,
    InterleaveTask,
    Message,
    SweepDone,
    SweepTask,
    Task,
)
from scenarios.programs.fleets import with_other_subject
from scenarios.programs.program import Program
from scenarios.programs.registry import SUITES
from scenarios.programs.single import SINGLE
from scenarios.verdict import Figure, LedgerRow, Outcome, merge

MOST_NAMED = 3


def sweep_of(options: Options, got: Gathered, deadline_s: float) -> Exploration:
    """Return the part that breaks every command of every program of one client."""
    shards = max(1, options.jobs)
    return Exploration(
        "sweep",
        got,
        tuple(
            (
                program,
                SweepTask(
                    options.subject,
                    program,
                    (shard, shards),
                    options.max_faults,
                    options.latency_bound_ms,
                    deadline_s,
                ),
            )
            for program in _asked(options, SINGLE)
            for shard in range(shards)
        ),
    )


def orders_of(suite: str, options: Options, got: Gathered, deadline_s: float) -> Exploration:
    """Return the part that runs every order of every program of several clients, or of a mixed fleet.

    Args:
        suite: ``interleave`` or ``fleet``.
    """
    is_fleet = suite == "fleet"
    programs = {
        name: program
        for name, program in SUITES[suite].items()
        if not is_fleet or with_other_subject(program) == (options.subject.beside is not None)
    }
    return Exploration(
        suite,
        got,
        tuple(
            (
                program,
                InterleaveTask(
                    options.subject,
                    program,
                    options.max_preemptions,
                    options.max_fleet_faults if is_fleet else options.max_interleaved_faults,
                    options.prune,
                    options.latency_bound_ms,
                    deadline_s,
                    options.sampling,
                ),
            )
            for program in _asked(options, programs)
        ),
    )


def _asked(options: Options, programs: Mapping[str, Program]) -> tuple[str, ...]:
    return tuple(name for name in programs if not options.programs or name in options.programs)


class Exploration:
    """Runs the subject's cases, one program after the other, in the shards and bounds of its tasks.

    Args:
        name: ``sweep``, ``interleave`` or ``fleet``.
        planned: program and task.
    """

    def __init__(
        self, name: str, got: Gathered, planned: tuple[tuple[str, SweepTask | InterleaveTask], ...]
    ) -> None:
        self.name = name
        self._got = got
        self._planned = planned
        self._missing: dict[str, tuple[str, ...]] = {}
        self._unsteady: dict[str, str] = {}
        self._cases = self._violated = self._invalid = 0

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        return self._planned

    def take(self, number: int, message: Message) -> None:
        if isinstance(message, CaseEnded):
            self._got.tally.add(message)
            self._cases += 1
            self._violated += bool(message.violations)
            self._invalid += bool(not message.valid or message.crashed)
        elif isinstance(message, SweepDone):
            self._got.partial = self._got.partial or message.stopped
            if message.unsteady:
                self._unsteady[self._planned[number][0]] = message.unsteady
            if message.missing:
                self._missing[self._planned[number][0]] = message.missing
            for row in message.ledger:
                self._add_to_ledger(row)

    def finish(self, seconds: float) -> None:
        got = self._got
        outcomes = [Outcome.PASS] if self._cases else []
        outcomes += [Outcome.FAIL] if self._violated else []
        outcomes += [Outcome.UNKNOWN] if self._invalid or self._unsteady else []
        for program, where in sorted(self._unsteady.items()):
            got.warnings.append(
                f"The subject does not do the same each time in {program}: {where}. "
                + (
                    "So not every case of it may have been met."
                    if self.name == "sweep"
                    else f"So random orders of it were run ({RUNS_IF_UNSTEADY}), not every one."
                )
            )
        for missing in sorted(set(self._missing.values())):
            programs = sorted(name for name, lacks in self._missing.items() if lacks == missing)
            were = "program was" if len(programs) == 1 else "programs were"
            got.warnings.append(
                f"{len(programs)} {were} not run, because the subject has no {', '.join(missing)}: "
                f"{', '.join(programs[:MOST_NAMED])}{', …' if len(programs) > MOST_NAMED else '.'}"
            )
        if len(self._missing) == len({program for program, _ in self._planned}):
            # Nothing of this part applies to the subject, which was said above; that is no doubt about it.
            outcomes.append(Outcome.PASS)
        got.parts[self.name] = merge(outcomes)
        got.figures += self._figures(seconds)

    def _figures(self, seconds: float) -> list[Figure]:
        rate = round(self._cases / seconds, 1) if seconds else 0.0
        return [
            Figure(f"{self.name}: cases", float(self._cases), "cases"),
            Figure(f"{self.name}: time", round(seconds, 3), "s"),
            Figure(f"{self.name}: cases per second", rate, "1/s"),
        ]

    def _add_to_ledger(self, row: LedgerRow) -> None:
        key = (row.program, row.fault)
        known = self._got.ledger.get(key)
        if known is None:
            self._got.ledger[key] = row
            return
        self._got.ledger[key] = replace(
            known,
            space=known.space + row.space,
            run=known.run + row.run,
            pruned=known.pruned + row.pruned,
            pruned_by=tuple(sorted({*known.pruned_by, *row.pruned_by})),
            not_reached=known.not_reached + row.not_reached,
            invalid=known.invalid + row.invalid,
            violated=known.violated + row.violated,
        )
