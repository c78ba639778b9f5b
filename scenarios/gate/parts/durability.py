"""Durability: the server is killed at every command, under each persistence mode, and loses power at every moment.

A subject is not to blame for data that the server's persistence does not promise to keep. So a violation is a finding
only where a killed process loses nothing: with an append-only file, and with a replica that has received everything.
Where writes get lost that were answered, a violation is a finding only if the subject promises that an accepted job
survives that (``durability``), and only if it says that such a job is lost. Other violations are reported row by row
and do not change the outcome.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from midpipe.faultinject.decide.sweep import SweepFrontier
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.power_loss import PowerLossTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.task_queue import TaskQueue, cut_off_phrase
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone, Message, PowerLossDone
from midpipe.scenarios.model.promises import Durability as Promised
from midpipe.scenarios.model.verdict import DurabilityRow, NotRunRow, Outcome, PowerLossRow, merge

_SURVIVED = {
    Persistence.POWER_LOSS: Promised.POWER_LOSS,
    Persistence.REPLICA_BEHIND: Promised.FAILOVER,
}
"""What an accepted job must survive if it is not to be lost under a persistence that loses answered writes."""
_LOSSES = frozenset({"no-lost-job", "retry-succeeds", "answer-is-true"})
"""The invariants that say what became of an accepted job. What else was acknowledged may be lost with the writes."""
LEAST_SLICE_S = 1.0
"""A task may have to start a server first."""
GATE_PROGRAMS = (
    "enqueue-with-request-id",
    "same-request-again",
    "finish-with-result",
    "work-under-a-lease",
)


@dataclass(slots=True)
class _Counts:
    cases: int = 0
    invalid: int = 0
    violated: int = 0
    violated_invariants: Counter[str] = field(default_factory=Counter)
    replay: str = ""


class Durability:
    """Kills the server under each persistence mode of the options, and simulates power losses."""

    name = "durability"

    def __init__(self, options: Options, results: Results) -> None:
        self._options = options
        self._results = results
        self._modes = options.persistence
        traits = results.traits
        promises_disk = traits and traits.promises.durability is Promised.POWER_LOSS
        if promises_disk and options.parts != (self.name,):
            # A gate chooses the modes by itself.
            self._modes = (*self._modes, Persistence.POWER_LOSS)
        programs = options.shard.dealt(options.programs or GATE_PROGRAMS)
        loses_power = not all(mode.is_replicated for mode in self._modes)
        self._planned: tuple[tuple[str, Persistence | None], ...] = (
            *((program, mode) for mode in self._modes for program in programs),
            *((program, None) for program in programs if loses_power),
        )
        self.queue = TaskQueue(len(self._planned), LEAST_SLICE_S)
        self._frontiers: dict[int, SweepFrontier] = {}
        self._counts = {mode: _Counts() for mode in self._modes}
        self._outcomes: list[Outcome] = []
        self._unsupported: dict[Persistence, str] = {}
        self._not_tried: dict[str, list[str]] = {}
        self._lacks: dict[str, tuple[str, ...]] = {}
        self._stopped: set[int] = set()

    def task(self, number: int, deadline_s: float) -> tuple[str, Task]:
        program, mode = self._planned[number]
        subject, bound_ms = self._options.subject, self._options.latency_bound_ms
        if mode is None:
            return program, PowerLossTask(subject, program, bound_ms, deadline_s)
        sweep = SweepTask(
            subject=subject,
            program=program,
            shard=(0, 1),
            max_faults=1,
            latency_bound_ms=bound_ms,
            deadline_s=deadline_s,
            persistence=mode,
            frontier=self._frontiers.get(number),
        )
        return program, sweep

    def take(self, number: int, message: Message) -> None:
        program, mode = self._planned[number]
        if isinstance(message, CaseEnded) and mode is not None:
            self._count(mode, message)
        elif isinstance(message, ExplorationDone) and mode is not None:
            if message.not_tried:
                self._unsupported[mode] = message.not_tried
            if isinstance(message.frontier, SweepFrontier):
                self._frontiers[number] = message.frontier
                self.queue.put_back(number, message.frontier.next_round)
        elif isinstance(message, PowerLossDone):
            if message.lacks:
                self._lacks[program] = message.lacks
            elif message.not_tried:
                self._not_tried.setdefault(message.not_tried, []).append(program)
            else:
                self._lost_power(program, message)
            if message.stopped:
                self._stopped.add(number)

    def allows_loss(self, number: int) -> bool:
        """Whether the task kills a server that does not promise to keep everything, so that jobs may be lost."""
        _, mode = self._planned[number]
        return mode is not None and not self._counts_against_it(mode)

    def record_cut_off(self) -> str:
        not_started = len(self.queue.not_started)
        unfinished = len(self.queue.unfinished | self._stopped)
        total = f"{len(self._planned)} programs under a persistence mode"
        return cut_off_phrase(total, unfinished, not_started)

    def finish(self) -> None:
        for mode, counts in self._counts.items():
            if mode in self._unsupported:
                continue
            self._results.durability.append(
                DurabilityRow(
                    persistence=mode.value,
                    promise=mode.promise,
                    cases=counts.cases,
                    violated=counts.violated,
                    violated_invariants=tuple(sorted(counts.violated_invariants)),
                    replay=counts.replay,
                    counts=self._counts_against_it(mode),
                )
            )
            if counts.cases and self._counts_against_it(mode):
                self._outcomes.append(Outcome.FAIL if counts.violated else Outcome.PASS)
            if counts.invalid:
                self._outcomes.append(Outcome.UNKNOWN)
        for reason in dict.fromkeys(self._unsupported.values()):
            modes = ", ".join(mode for mode, why in self._unsupported.items() if why == reason)
            self._results.warnings.append(
                f"{modes} was not tested, because it does not apply to this server. {reason}"
            )
        for reason, programs in self._not_tried.items():
            self._results.warnings.append(
                f"Power loss was not tested in {', '.join(sorted(programs))}: {reason}."
            )
        if self._lacks:
            lacks = sorted({lack for each in self._lacks.values() for lack in each})
            self._results.not_run.append(
                NotRunRow("power loss", tuple(sorted(self._lacks)), tuple(lacks))
            )
        self._results.parts[self.name] = merge(self._outcomes)

    def _counts_against_it(self, mode: Persistence) -> bool:
        """Whether a violation is the subject's fault: the mode keeps everything, or the subject promises to cope."""
        traits = self._results.traits
        survives = traits.promises.durability if traits else None
        return mode.keeps_all or (mode in _SURVIVED and survives is _SURVIVED[mode])

    def _count(self, mode: Persistence, ended: CaseEnded) -> None:
        counts = self._counts[mode]
        if mode in _SURVIVED:
            losses = tuple(each for each in ended.violations if each.invariant in _LOSSES)
            doubts = tuple(
                each for each in ended.unconfirmed if each.violation.invariant in _LOSSES
            )
            ended = replace(ended, violations=losses, unconfirmed=doubts)
        counts.cases += 1
        counts.invalid += not ended.valid or bool(ended.unconfirmed)
        if not ended.faults:
            # A violation without a fault is reported by the sweep.
            return
        if self._counts_against_it(mode):
            self._results.tally.add(ended)
        if ended.violations:
            counts.violated += 1
            counts.replay = counts.replay or ended.replay
            counts.violated_invariants.update(violation.invariant for violation in ended.violations)

    def _lost_power(self, program: str, done: PowerLossDone) -> None:
        torn = [outcome for outcome in done.outcomes if outcome.seen]
        first = torn[0] if torn else None
        self._results.power_loss.append(
            PowerLossRow(
                program=program,
                moments=len(done.outcomes),
                torn=len(torn),
                after=first.after if first else "",
                seen=first.seen[0] if first else "",
            )
        )
        self._outcomes.append(Outcome.FAIL if torn else Outcome.PASS)
        if unknown := [outcome for outcome in done.outcomes if outcome.invalid_reason]:
            self._outcomes.append(Outcome.UNKNOWN)
            self._results.warnings.append(
                f"What a power loss in {program} after {unknown[0].after!r} leaves is unknown: "
                f"{unknown[0].invalid_reason}."
            )
        if first is not None:
            self._results.warnings.append(
                f"A power loss in {program} after {first.after!r} leaves a state in which {first.seen[0]}. "
                f"{len(torn)} of {len(done.outcomes)} moments leave such a state."
            )
