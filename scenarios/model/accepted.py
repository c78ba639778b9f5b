"""The baseline of a team: findings that it knows and accepts for now. Plain values; knows no verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """A finding that a baseline accepts.

    Args:
        invariant, operation, command, program, replay: as in Finding, when it was accepted.
        faults: names of the faults of its case.
        reason: why it is accepted.
        date: when it was accepted, ISO 8601.
    """

    invariant: str
    operation: str
    command: str
    faults: tuple[str, ...]
    program: str
    replay: str
    reason: str
    date: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """The findings that are accepted, as they stand in the file."""

    findings: tuple[KnownFinding, ...]
    schema: int = 1


NO_BASELINE = Baseline(())
