"""Durability: the server killed at every command, for each way of keeping data; and what a power loss leaves.

A subject can't be blamed for what the server's persistence does not promise. So what falls is a finding only where
nothing is lost with a killed process: an append-only file, a replica that has got everything, and a replica that
lags if the subject says that it waits for it. For the others it is told, row by row, and changes no outcome.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.explore import CaseEnded
from midpipe.scenarios.explore.tasks import (
    ExplorationDone,
    Message,
    PowerLossDone,
    PowerLossTask,
    SweepTask,
    Task,
)
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.part import Gathered
from midpipe.scenarios.model.verdict import DurabilityRow, Outcome, PowerLossRow, merge

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
    """Kills the server under each persistence asked for, and takes its power away."""

    name = "durability"

    def __init__(self, options: Options, got: Gathered, deadline_s: float) -> None:
        self._options = options
        self._got = got
        self._deadline_s = deadline_s
        self._modes = options.persistence
        self._counts = {mode: _Counts() for mode in self._modes}
        self._outcomes: list[Outcome] = []
        self._beyond: dict[Persistence, str] = {}
        self._not_tried: dict[str, list[str]] = {}
        self._planned = tuple(self._plan())

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        return self._planned

    def take(self, number: int, message: Message) -> None:
        task = self._planned[number][1]
        if isinstance(message, CaseEnded) and isinstance(task, SweepTask) and task.persistence:
            self._count(task.persistence, message)
        elif isinstance(message, PowerLossDone) and message.not_tried:
            self._not_tried.setdefault(message.not_tried, []).append(self._planned[number][0])
        elif isinstance(message, PowerLossDone):
            self._lost_power(self._planned[number][0], message)
        elif (
            isinstance(message, ExplorationDone)
            and isinstance(task, SweepTask)
            and task.persistence
        ):
            if message.not_tried:
                self._beyond[task.persistence] = message.not_tried
            self._got.partial = self._got.partial or message.stopped

    def finish(self, seconds: float) -> None:
        for mode, counts in self._counts.items():
            if mode in self._beyond:
                continue
            self._got.durability.append(
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
        for reason in dict.fromkeys(self._beyond.values()):
            modes = ", ".join(mode for mode, why in self._beyond.items() if why == reason)
            self._got.warnings.append(f"{modes}: does not apply here, and was not tried. {reason}")
        for reason, programs in self._not_tried.items():
            self._got.warnings.append(
                f"A power loss does not apply to {', '.join(sorted(programs))}, and was not tried: {reason}."
            )
        self._got.parts[self.name] = merge(self._outcomes)

    def _plan(self) -> list[tuple[str, Task]]:
        options = self._options
        bound_ms = options.latency_bound_ms
        programs = options.programs or GATE_PROGRAMS
        kills: list[tuple[str, Task]] = [
            (
                program,
                SweepTask(
                    options.subject, program, (0, 1), 1, bound_ms, self._deadline_s, persistence
                ),
            )
            for persistence in self._modes
            for program in programs
        ]
        losses = [
            (program, PowerLossTask(options.subject, program, bound_ms))
            for program in programs
            if not all(mode.is_replicated for mode in self._modes)
        ]
        return [*kills, *losses]

    def _counts_against_it(self, mode: Persistence) -> bool:
        """Whether what falls is the subject's fault: the persistence keeps all, or the subject says that it waits."""
        traits = self._got.traits
        return mode.keeps_all or (
            mode is Persistence.REPLICA_BEHIND and traits is not None and traits.waits_for_replicas
        )

    def _count(self, mode: Persistence, ended: CaseEnded) -> None:
        counts = self._counts[mode]
        counts.cases += 1
        counts.invalid += not ended.valid
        if not ended.faults:
            # What falls without a fault is the sweep's to tell.
            return
        if self._counts_against_it(mode):
            self._got.tally.add(ended)
        if ended.violations:
            counts.violated += 1
            counts.replay = counts.replay or ended.replay
            counts.violated_invariants.update(violation.invariant for violation in ended.violations)

    def _lost_power(self, program: str, done: PowerLossDone) -> None:
        torn = [left for left in done.left if left.seen]
        first = torn[0] if torn else None
        self._got.power_loss.append(
            PowerLossRow(
                program=program,
                moments=len(done.left),
                torn=len(torn),
                after=first.after if first else "",
                seen=first.seen[0] if first else "",
            )
        )
        self._outcomes.append(Outcome.FAIL if torn else Outcome.PASS)
        if first is not None:
            self._got.warnings.append(
                f"A power loss in {program} after {first.after!r} leaves a state in which {first.seen[0]}; "
                f"so do {len(torn)} of {len(done.left)} moments."
            )
