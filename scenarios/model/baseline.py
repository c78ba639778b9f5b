"""Holds a verdict against a baseline: which findings are accepted, which are new, and which are gone. Pure.

A finding is known if it breaks the same invariant, by the same faults at the same command of the same call; without a
fault, in the same program, where all that were generated count as one. How often it was found, by which schedule and at
which line of code, may differ.

Blind to: a known finding that has become worse in another way than by a further invariant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from midpipe.scenarios.model.accepted import Baseline, KnownFinding
from midpipe.scenarios.model.finding import WRITTEN
from midpipe.scenarios.model.outcome import Outcome
from midpipe.scenarios.model.verdict import (
    AcceptedFinding,
    Finding,
    PartRow,
    Verdict,
)

Key = tuple[str, str, str, tuple[str, ...], str]


def baseline_of(verdict: Verdict, reason: str, date: str, before: Baseline) -> Baseline:
    """Return the baseline that accepts every finding of a verdict.

    Args:
        reason, date: for findings that were not accepted before; the others keep theirs.
        before: what was accepted so far. What the verdict's run did not find again is left out.
    """
    known = {_key_of_known(each): each for each in before.findings}
    found = (*verdict.findings, *(accepted.finding for accepted in verdict.accepted))
    return Baseline(
        tuple(
            known.get(_key_of(finding)) or _known(finding, reason, date)
            for finding in sorted(found, key=_key_of)
        )
    )


def held_against(verdict: Verdict, baseline: Baseline, exploring: Iterable[str]) -> Verdict:
    """Return the verdict with the accepted findings set apart; without a new one it fails for other reasons only.

    Args:
        exploring: the names of the parts whose failures are findings.
    """
    known = {_key_of_known(each): each for each in baseline.findings}
    accepted = tuple(
        AcceptedFinding(finding, known[key].reason, known[key].date)
        for finding in verdict.findings
        if (key := _key_of(finding)) in known
    )
    new = tuple(finding for finding in verdict.findings if _key_of(finding) not in known)
    found = set(map(_key_of, verdict.findings))
    run = {row.program for row in verdict.ledger if row.run}
    gone = tuple(
        each
        for key, each in known.items()
        if key not in found and each.program in run and not verdict.partial
    )
    held = replace(verdict, findings=new, accepted=accepted, gone=gone)
    return held if new or not accepted else _without_failure(held, frozenset(exploring))


def _without_failure(verdict: Verdict, exploring: frozenset[str]) -> Verdict:
    """Return a verdict whose findings are all accepted: it fails only for what no finding stands for."""
    parts = tuple(
        replace(row, outcome=Outcome.PASS)
        if row.name in exploring and row.outcome is Outcome.FAIL
        else row
        for row in verdict.parts
    )
    return replace(verdict, parts=parts, outcome=_outcome_of(verdict, parts))


def _outcome_of(verdict: Verdict, parts: tuple[PartRow, ...]) -> Outcome:
    outcomes = [row.outcome for row in parts]
    if Outcome.FAIL in outcomes or any(row.torn for row in verdict.power_loss):
        return Outcome.FAIL
    is_whole = not verdict.partial and not verdict.crashes and Outcome.UNKNOWN not in outcomes
    return Outcome.PASS if is_whole else Outcome.UNKNOWN


def _known(finding: Finding, reason: str, date: str) -> KnownFinding:
    return KnownFinding(
        invariant=finding.invariant,
        operation=finding.operation,
        command=finding.command,
        faults=tuple(placed.fault for placed in finding.faults),
        program=finding.program,
        replay=finding.replay,
        reason=reason,
        date=date,
    )


def _key_of(finding: Finding) -> Key:
    return _key_of_known(_known(finding, "", ""))


def _key_of_known(known: KnownFinding) -> Key:
    program = "" if known.faults else known.program
    if program.startswith(WRITTEN):
        program = WRITTEN
    return (known.invariant, known.operation, known.command, known.faults, program)
