"""Makes one verdict of the verdicts on all shards of a run, as a single machine would have given it. Pure.

What a shard can't know is decided here: whether anything was run, whether a fault was placed, what no case checked, and
which kinds of violation have one cause. Numbers of cases are added up, and the worst outcome counts.

Blind to: which of several equally short cases a single machine would have shown of a kind; combinations that were
covered by fuzzing on two machines, of which the larger number counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from midpipe.faultinject.decide.ledger import NO_FAULT, LedgerRow, merged_row
from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.gate.gaps import gaps_in, shard_notices
from midpipe.scenarios.gate.grouping import one_per_cause
from midpipe.scenarios.gate.tally import weight_of
from midpipe.scenarios.model.finding import KindRow
from midpipe.scenarios.model.matrix import (
    coverage_of,
    durability_of,
    part_of,
    power_loss_of,
    rows_by,
)
from midpipe.scenarios.model.shard import Shard
from midpipe.scenarios.model.verdict import (
    Finding,
    FuzzCoverage,
    InvariantRow,
    Outcome,
    PartRow,
    Status,
    Verdict,
    merge,
)
from midpipe.scenarios.programs.registry import PROGRAMS

_MOST_NAMED = 5


def combined(verdicts: Sequence[Verdict], command: str) -> Verdict:
    """Return the verdict on the whole run. If a shard is missing, it is partial, and at best unknown.

    Args:
        command: by which they are merged, as a shell takes it.

    Raises:
        UsageError: one of the verdicts is not on a shard, or they are not of the same run, or one shard comes twice.
    """
    numbers = _check_one_run(verdicts)
    first = verdicts[0]
    assert first.shard is not None
    missing = [number for number in range(1, first.shard.count + 1) if number not in numbers]
    coverage = coverage_of([verdict.coverage for verdict in verdicts if verdict.coverage])
    crashes = tuple(sorted({crash for verdict in verdicts for crash in verdict.crashes}))
    crashed = {crash.invariant for crash in crashes}
    invariants = tuple(
        _invariant(rows, crashed) for rows in rows_by(verdicts, lambda v: v.invariants, _id_of)
    )
    ledger = _ledger(verdicts)
    parts = tuple(map(_part, rows_by(verdicts, lambda v: v.parts, lambda row: row.name)))
    power_loss = tuple(
        map(power_loss_of, rows_by(verdicts, lambda v: v.power_loss, lambda row: row.program))
    )
    partial = bool(missing) or any(verdict.partial for verdict in verdicts)
    gaps = gaps_in(
        ran_any=bool(power_loss) or any(row.run or row.invalid for row in ledger),
        sweeps=any(row.name == "sweep" for row in parts),
        is_narrowed=partial or not first.shard.runs_every_program,
        has_invalid=any(row.invalid for row in ledger),
        ledger=ledger,
        invariants=invariants,
    )
    doubts = (*_missing(missing, first.shard.count), *gaps, *_unseen_events(coverage))
    outcomes = [verdict.outcome for verdict in verdicts]
    return replace(
        first,
        command=command,
        server=", ".join(dict.fromkeys(verdict.server for verdict in verdicts if verdict.server)),
        started_at=min(verdict.started_at for verdict in verdicts),
        seconds=max(verdict.seconds for verdict in verdicts),
        outcome=merge([*outcomes, *([Outcome.UNKNOWN] if doubts else [])]),
        parts=parts,
        findings=_findings(verdicts),
        invariants=invariants,
        ledger=ledger,
        selfcheck=tuple(row for verdict in verdicts for row in verdict.selfcheck),
        review=tuple(row for verdict in verdicts for row in verdict.review),
        durability=tuple(
            map(
                durability_of,
                rows_by(verdicts, lambda v: v.durability, lambda row: row.persistence),
            )
        ),
        power_loss=power_loss,
        coverage=coverage,
        crashes=crashes,
        warnings=(*doubts, *_warnings(verdicts)),
        not_run=tuple(dict.fromkeys(row for verdict in verdicts for row in verdict.not_run)),
        partial=partial,
        promises=next((verdict.promises for verdict in verdicts if verdict.promises), ()),
        shard=None,
        progress=(),
    )


def _check_one_run(verdicts: Sequence[Verdict]) -> frozenset[int]:
    """Return the numbers of the shards. Raises UsageError."""
    numbers: set[int] = set()
    for verdict in verdicts:
        if verdict.shard is None:
            raise UsageError(
                f"The verdict on {verdict.subject} of {verdict.started_at} is on a whole run, not on a shard. "
                "Run its command with --shard I/N."
            )
        if verdict.shard.number in numbers:
            raise UsageError(
                f"Two verdicts are on shard {verdict.shard.number}/{verdict.shard.count}. Name each shard once."
            )
        numbers.add(verdict.shard.number)
    for what, values in (
        ("numbers of shards", {str(v.shard.count) for v in verdicts if v.shard}),
        ("subjects", {f"{v.subject} {v.again}".strip() for v in verdicts}),
        ("versions of midpipe", {v.midpipe for v in verdicts}),
    ):
        if len(values) > 1:
            raise UsageError(
                f"The verdicts are not shards of one run: they have the {what} {', '.join(sorted(values))}."
            )
    return frozenset(numbers)


def _missing(numbers: Sequence[int], count: int) -> tuple[str, ...]:
    if not numbers:
        return ()
    named = ", ".join(map(str, numbers[:_MOST_NAMED])) + (
        ", …" if len(numbers) > _MOST_NAMED else ""
    )
    return (f"Of the {count} shards, {len(numbers)} are missing ({named}).",)


def _findings(verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """Return one finding for each cause, after each kind of violation has been put together from all shards."""
    kinds = rows_by(
        verdicts,
        lambda v: v.shard.kinds if v.shard else (),
        lambda kind: (kind.finding.invariant, kind.method),
    )
    return one_per_cause(tuple(map(_one_of_kind, kinds)))


def _one_of_kind(kinds: Sequence[KindRow]) -> Finding:
    """Return the finding of the shortest confirmed case, of the shortest one if none is confirmed."""
    best = min(
        kinds, key=lambda kind: (not kind.confirmed, kind.finding.story is None, _weight(kind))
    )
    return replace(best.finding, cases=sum(kind.finding.cases for kind in kinds))


def _weight(kind: KindRow) -> tuple[tuple[int, int, int], str]:
    replay = kind.finding.replay
    faults = len(parse_replay_string(replay, CATALOGUE)[1].faults)
    return weight_of(replay, faults), replay


def _invariant(rows: Sequence[InvariantRow], crashed: set[str]) -> InvariantRow:
    """Return the row of an invariant over all shards: one shard that checked it is enough for it to hold."""
    observations = sum(row.observations for row in rows)
    violations = sum(row.violations for row in rows)
    statuses = {row.status for row in rows}
    chosen = rows[0]
    if Status.VIOLATED in statuses:
        chosen = next(row for row in rows if row.status is Status.VIOLATED)
    elif Status.UNKNOWN in statuses:
        unknown = [row for row in rows if row.status is Status.UNKNOWN]
        # A shard in which no case gave the invariant anything to check does not count against the others.
        real = [row for row in unknown if row.observations or row.invariant in crashed]
        holding = [row for row in rows if row.status is Status.HOLDS]
        chosen = (real or holding or unknown)[0]
    return replace(chosen, observations=observations, violations=violations)


def _ledger(verdicts: Sequence[Verdict]) -> tuple[LedgerRow, ...]:
    """Return the rows of all shards added up, in the order of the programs and of the faults."""
    order = {name: number for number, name in enumerate((*PROGRAMS, NO_FAULT, *CATALOGUE))}

    def place(row: LedgerRow) -> tuple[int, int, str]:
        fault = row.fault.partition("+")[0].partition("=")[0]
        return order.get(row.program, len(order)), order.get(fault, len(order)), row.fault

    rows = map(
        merged_row, rows_by(verdicts, lambda v: v.ledger, lambda row: (row.program, row.fault))
    )
    return tuple(sorted(rows, key=place))


def _part(rows: Sequence[PartRow]) -> PartRow:
    """Return a part over all shards, which ran side by side."""
    left_out = "; ".join(row.left_out for row in rows if row.left_out)
    seconds = max(row.seconds for row in rows)
    return replace(part_of(rows), seconds=seconds, left_out=left_out)


def _unseen_events(coverage: FuzzCoverage | None) -> tuple[str, ...]:
    return tuple(
        f"In all shards it never happened that {event}, so the fuzzing proves little. Give it more time."
        for event, count in (coverage.events if coverage else ())
        if not count
    )


def _warnings(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return each warning once, with the shards that have it unless all have."""
    given: dict[str, list[str]] = {}
    for verdict in verdicts:
        assert verdict.shard is not None
        shard = Shard(verdict.shard.number, verdict.shard.count)
        for warning in dict.fromkeys(verdict.warnings):
            if warning not in shard_notices(shard, is_empty=True):
                given.setdefault(warning, []).append(str(shard))
    return tuple(
        warning if len(shards) == len(verdicts) else f"Shard {', '.join(shards)}: {warning}"
        for warning, shards in given.items()
    )


def _id_of(row: InvariantRow) -> str:
    return row.invariant
