"""The sweep of the subject: every program, every position, every fault; counted as the cases end."""

from __future__ import annotations

from dataclasses import replace

from scenarios.engine.explore import CaseEnded
from scenarios.engine.options import Options
from scenarios.engine.parts.part import Gathered
from scenarios.engine.tasks import Message, SweepDone, SweepTask, Task
from scenarios.programs.single import SINGLE
from scenarios.verdict import Figure, LedgerRow, Outcome, Status, merge

_MOST_INVALID_TOLD = 3


class SubjectSweep:
    """Sweeps the subject, in as many shards as there are workers.

    Args:
        deadline_s: on the monotonic clock; no case is begun after it.
    """

    name = "sweep"

    def __init__(self, options: Options, got: Gathered, deadline_s: float) -> None:
        self._options = options
        self._got = got
        self._deadline_s = deadline_s
        shards = max(1, options.jobs)
        self._planned = [
            (program, (shard, shards))
            for program in options.programs or tuple(SINGLE)
            for shard in range(shards)
        ]
        self._missing: dict[str, tuple[str, ...]] = {}

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        options = self._options
        return tuple(
            (
                program,
                SweepTask(
                    options.subject,
                    program,
                    shard,
                    options.max_faults,
                    options.latency_bound_ms,
                    self._deadline_s,
                ),
            )
            for program, shard in self._planned
        )

    def take(self, number: int, message: Message) -> None:
        if isinstance(message, CaseEnded):
            self._got.tally.add(message)
        elif isinstance(message, SweepDone):
            self._got.partial = self._got.partial or message.stopped
            if message.missing:
                self._missing[self._planned[number][0]] = message.missing
            for row in message.ledger:
                self._add_to_ledger(row)

    def finish(self, seconds: float) -> None:
        got = self._got
        tally = got.tally
        outcomes = [Outcome.PASS] if tally.cases else []
        if tally.violations:
            outcomes.append(Outcome.FAIL)
        for row in tally.invariant_rows(got.traits):
            if row.status is Status.UNKNOWN and not self._options.programs:
                outcomes.append(Outcome.UNKNOWN)
                got.warnings.append(f"{row.invariant} is unknown: {row.note}.")
        if tally.invalid or tally.crashed:
            outcomes.append(Outcome.UNKNOWN)
        for replay, trouble in tally.invalid[:_MOST_INVALID_TOLD]:
            got.warnings.append(f"The case {replay!r} is invalid: {trouble}.")
        if len(tally.invalid) > _MOST_INVALID_TOLD:
            got.warnings.append(f"{len(tally.invalid)} cases are invalid; the ledger counts them.")
        got.warnings += sorted(tally.crashed)
        for program, missing in sorted(self._missing.items()):
            got.warnings.append(
                f"The program {program} was not run: the subject has no {', '.join(missing)}."
            )
        got.parts[self.name] = merge(outcomes)
        got.figures += self._figures(seconds)

    def _figures(self, seconds: float) -> list[Figure]:
        tally = self._got.tally
        rate = round(tally.cases / seconds, 1) if seconds else 0.0
        split = zip(("reset", "connect", "operate", "judge"), tally.seconds, strict=True)
        return [
            Figure("cases", float(tally.cases), "cases"),
            Figure("sweep", round(seconds, 3), "s"),
            Figure("cases per second", rate, "1/s"),
            *(
                Figure(f"{name} per case", round(total_s / max(1, tally.cases) * 1000, 3), "ms")
                for name, total_s in split
            ),
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
