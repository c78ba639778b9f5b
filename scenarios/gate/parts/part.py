"""The shape of a part of the gate, and what all parts gather into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from midpipe.scenarios.explore.tasks import Message, Task
from midpipe.scenarios.gate.tally import Tally
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.verdict import (
    CoverageRow,
    DurabilityRow,
    Figure,
    Finding,
    FlawRow,
    LedgerRow,
    Outcome,
    PowerLossRow,
    ReviewRow,
)


@dataclass(slots=True)
class Gathered:
    """What has been obtained so far.

    Attributes:
        told_by_s: on the monotonic clock, when the stories are to be told, if somebody waits for that; None if nobody.
    """

    tally: Tally = field(default_factory=Tally)
    ledger: dict[tuple[str, str], LedgerRow] = field(default_factory=dict)
    traits: Traits | None = None
    server: str = ""
    flaws: list[FlawRow] = field(default_factory=list)
    review: list[ReviewRow] = field(default_factory=list)
    durability: list[DurabilityRow] = field(default_factory=list)
    power_loss: list[PowerLossRow] = field(default_factory=list)
    coverage: tuple[CoverageRow, ...] = ()
    told_by_s: float | None = None
    findings: tuple[Finding, ...] = ()
    parts: dict[str, Outcome] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    partial: bool = False


class Part(Protocol):
    """One part of the gate. It is asked for its tasks, told each answer, and then told that this was all."""

    name: str

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        """Return what is to be done, each task with a few words that name it."""

    def take(self, number: int, message: Message) -> None:
        """Take an answer to the task of that number."""

    def finish(self, seconds: float) -> None:
        """Weigh what was obtained, all of it or (after an interruption) a part."""
