"""Merges the verdicts of one subject on several servers into one verdict with a column for each. Pure.

Nothing is averaged: the worst outcome counts, and numbers of cases are added up. Two findings are the same if the same
case of the same program violated the same invariant. What ran on no server does not appear, as in a single verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from midpipe.faultinject.decide.ledger import LedgerRow, merged_row
from midpipe.scenarios.model.verdict import (
    CoverageRow,
    DurabilityRow,
    Extent,
    Finding,
    FuzzCoverage,
    InvariantRow,
    PartRow,
    PowerLossRow,
    ServerColumn,
    Severity,
    Status,
    Verdict,
    merge,
)

_WORST_FIRST = (Status.VIOLATED, Status.UNKNOWN, Status.HOLDS, Status.NOT_APPLICABLE)
_Row = TypeVar("_Row")
_Same = tuple[str, str, str]


def merged(verdicts: Sequence[Verdict]) -> Verdict:
    """Return one verdict on all servers; a single verdict is returned unchanged.

    Raises:
        ValueError: there is no verdict.
    """
    if not verdicts:
        raise ValueError("there is nothing to merge")
    if len(verdicts) == 1:
        return verdicts[0]
    findings = _findings(verdicts)
    ids = {_same(finding): finding.id for finding in findings}
    return replace(
        verdicts[0],
        server=", ".join(verdict.server or "no server" for verdict in verdicts),
        seconds=round(sum(verdict.seconds for verdict in verdicts), 3),
        outcome=merge(verdict.outcome for verdict in verdicts),
        parts=_parts(verdicts),
        findings=findings,
        invariants=tuple(map(_invariant, rows_by(verdicts, lambda v: v.invariants, _id_of))),
        ledger=tuple(map(merged_row, rows_by(verdicts, lambda v: v.ledger, _place_of))),
        selfcheck=tuple(row for verdict in verdicts for row in verdict.selfcheck),
        review=tuple(row for verdict in verdicts for row in verdict.review),
        durability=tuple(map(durability_of, rows_by(verdicts, lambda v: v.durability, _mode_of))),
        power_loss=tuple(
            map(power_loss_of, rows_by(verdicts, lambda v: v.power_loss, _program_of))
        ),
        coverage=coverage_of([verdict.coverage for verdict in verdicts if verdict.coverage]),
        crashes=tuple(sorted({crash for verdict in verdicts for crash in verdict.crashes})),
        warnings=_warnings(verdicts),
        not_run=tuple(dict.fromkeys(row for verdict in verdicts for row in verdict.not_run)),
        partial=any(verdict.partial for verdict in verdicts),
        servers=tuple(_column(verdict, ids) for verdict in verdicts),
    )


def coverage_of(covered: Sequence[FuzzCoverage]) -> FuzzCoverage | None:
    """Return, by operation, the most that was covered on one server: a combination on two servers is the same one."""
    if not covered:
        return None
    best: dict[str, CoverageRow] = {}
    events: Counter[str] = Counter()
    for coverage in covered:
        events.update(dict(coverage.events))
        for row in coverage.operations:
            known = best.get(row.operation, row)
            best[row.operation] = max(known, row, key=lambda row: (row.seen, row.known))
    return FuzzCoverage(
        operations=tuple(best[operation] for operation in sorted(best)),
        new_in_a_further_case=max(coverage.new_in_a_further_case for coverage in covered),
        events=tuple(sorted(events.items())),
    )


def rows_by(
    verdicts: Sequence[Verdict],
    rows_of: Callable[[Verdict], Iterable[_Row]],
    key_of: Callable[[_Row], Hashable],
) -> tuple[tuple[_Row, ...], ...]:
    """Group the rows of all verdicts by key, in order of each key's first appearance."""
    groups: dict[Hashable, list[_Row]] = {}
    for verdict in verdicts:
        for row in rows_of(verdict):
            groups.setdefault(key_of(row), []).append(row)
    return tuple(map(tuple, groups.values()))


def _column(verdict: Verdict, ids: dict[_Same, str]) -> ServerColumn:
    return ServerColumn(
        server=verdict.server,
        outcome=verdict.outcome,
        parts=verdict.parts,
        invariants=tuple((row.invariant, row.status) for row in verdict.invariants),
        findings=tuple(id for same, id in ids.items() if same in map(_same, verdict.findings)),
        cases=sum(row.run for row in verdict.ledger),
        seconds=verdict.seconds,
        partial=verdict.partial,
    )


def _same(finding: Finding) -> _Same:
    return finding.invariant, finding.program, finding.replay


def _findings(verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """Return each finding once, as the first server that has it reported it; renumbered, the worst first."""
    groups = sorted(rows_by(verdicts, lambda v: v.findings, _same), key=_severity_of)
    return tuple(
        replace(found[0], id=f"F{number}", cases=sum(one.cases for one in found))
        for number, found in enumerate(groups, start=1)
    )


def _severity_of(found: Sequence[Finding]) -> int:
    return list(Severity).index(found[0].severity)


def _warnings(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return each warning once, with the servers on which it was issued."""
    given: dict[str, list[str]] = {}
    for verdict in verdicts:
        for warning in dict.fromkeys(verdict.warnings):
            given.setdefault(warning, []).append(verdict.server or "no server")
    return tuple(
        f"On {'every server' if len(on) == len(verdicts) else ', '.join(on)}: {warning}"
        for warning, on in given.items()
    )


def _parts(verdicts: Sequence[Verdict]) -> tuple[PartRow, ...]:
    return tuple(map(part_of, rows_by(verdicts, lambda v: v.parts, lambda row: row.name)))


def part_of(rows: Sequence[PartRow]) -> PartRow:
    return PartRow(
        name=rows[0].name,
        outcome=merge(row.outcome for row in rows),
        extent=max((row.extent for row in rows), key=list(Extent).index),
        cases=sum(row.cases for row in rows),
        seconds=round(sum(row.seconds for row in rows), 3),
    )


def _invariant(rows: Sequence[InvariantRow]) -> InvariantRow:
    worst = min(rows, key=lambda row: _WORST_FIRST.index(row.status))
    return replace(
        worst,
        observations=sum(row.observations for row in rows),
        violations=sum(row.violations for row in rows),
    )


def durability_of(rows: Sequence[DurabilityRow]) -> DurabilityRow:
    return replace(
        rows[0],
        cases=sum(row.cases for row in rows),
        violated=sum(row.violated for row in rows),
        violated_invariants=tuple(
            sorted({name for row in rows for name in row.violated_invariants})
        ),
        replay=next((row.replay for row in rows if row.replay), ""),
    )


def power_loss_of(rows: Sequence[PowerLossRow]) -> PowerLossRow:
    first = next((row for row in rows if row.torn), rows[0])
    return replace(
        first,
        moments=sum(row.moments for row in rows),
        torn=sum(row.torn for row in rows),
    )


def _id_of(row: InvariantRow) -> str:
    return row.invariant


def _place_of(row: LedgerRow) -> tuple[str, str]:
    return row.program, row.fault


def _mode_of(row: DurabilityRow) -> str:
    return row.persistence


def _program_of(row: PowerLossRow) -> str:
    return row.program
