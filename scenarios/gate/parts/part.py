"""The protocol of a part of the gate, and the results that all parts add to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.gate.tally import Tally
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.messages import Message
from midpipe.scenarios.model.verdict import (
    DurabilityRow,
    Finding,
    FlawRow,
    FuzzCoverage,
    Outcome,
    PowerLossRow,
    ReviewRow,
)


@dataclass(slots=True)
class Results:
    """The results so far.

    Attributes:
        flaws: rows of the selfcheck.
        parts: outcome of each part that has finished, or was cut short.
        stories_deadline_s: on the monotonic clock, when shrinking must end; None is no limit.
        partial: something that was planned has not been run.
    """

    tally: Tally = field(default_factory=Tally)
    ledger: dict[tuple[str, str], LedgerRow] = field(default_factory=dict)
    traits: Traits | None = None
    server: str = ""
    flaws: list[FlawRow] = field(default_factory=list)
    review: list[ReviewRow] = field(default_factory=list)
    durability: list[DurabilityRow] = field(default_factory=list)
    power_loss: list[PowerLossRow] = field(default_factory=list)
    coverage: FuzzCoverage | None = None
    stories_deadline_s: float | None = None
    findings: tuple[Finding, ...] = ()
    parts: dict[str, Outcome] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    partial: bool = False


class Part(Protocol):
    """One part of the gate: it plans tasks, takes their messages, and draws its conclusions at the end."""

    name: str

    def tasks(self) -> tuple[tuple[str, Task], ...]:
        """Return the tasks, each with a short name for progress reports."""

    def take(self, number: int, message: Message) -> None:
        """Take a message of the task with this number."""

    def finish(self, seconds: float) -> None:
        """Add this part's outcome, rows and warnings to the results; after an interruption, of what has been run.

        Args:
            seconds: how long the part ran.
        """
