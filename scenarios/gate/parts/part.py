"""The protocol of a part of the gate, and the results that all parts add to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.gate.tally import Tally
from midpipe.scenarios.gate.task_queue import TaskQueue
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.finding import KindRow
from midpipe.scenarios.model.messages import Message
from midpipe.scenarios.model.progress import ProgressRow
from midpipe.scenarios.model.verdict import (
    DurabilityRow,
    Finding,
    FlawRow,
    FuzzCoverage,
    NotRunRow,
    Outcome,
    PowerLossRow,
    ReviewRow,
)


@dataclass(slots=True)
class Results:
    """The results so far.

    Attributes:
        flaws: rows of the selfcheck.
        kinds: what ``findings`` was made from.
        parts: outcome of each part that has finished, or was cut short.
        progress: what fuzzing had covered and found by when.
        partial: something that was planned has not been run.
        raised: a sentence for each program all of whose calls raised without any fault.
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
    findings: tuple[Finding, ...] = ()
    kinds: tuple[KindRow, ...] = ()
    parts: dict[str, Outcome] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    not_run: list[NotRunRow] = field(default_factory=list)
    partial: bool = False
    raised: list[str] = field(default_factory=list)
    progress: tuple[ProgressRow, ...] = ()


class Part(Protocol):
    """One part of the gate: it plans tasks, takes their messages, and draws its conclusions at the end."""

    name: str
    queue: TaskQueue

    def task(self, number: int, deadline_s: float) -> tuple[str, Task]:
        """Return the task with this number, and a short name of it for progress reports.

        Args:
            deadline_s: on the monotonic clock; no case of the task begins after it.
        """

    def take(self, number: int, message: Message) -> None:
        """Take a message of the task with this number; put the task back in the queue if it is to be continued."""

    def finish(self) -> None:
        """Add this part's outcome, rows and warnings to the results; after an interruption, of what has been run."""

    def record_cut_off(self) -> str:
        """Record in the ledger what was planned and not run, and return it in a few words; empty if all was run."""
