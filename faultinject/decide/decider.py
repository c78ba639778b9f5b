"""The bases of the schedulers: a decider can name its current run and start it again; a planner also keeps a ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod

from midpipe.faultinject.decide.ledger import Ledger
from midpipe.faultinject.decide.schedule import Schedule, fault_label, place_of
from midpipe.faultinject.vocabulary import Decision, FaultRef, Point, RunEnd, WireEvent


class Decider(ABC):
    """A scheduler whose current run has a schedule, and can be started again."""

    @abstractmethod
    def begin(self) -> bool: ...

    @abstractmethod
    def decide(self, point: Point) -> Decision: ...

    @abstractmethod
    def end(self, run: RunEnd) -> None: ...

    @abstractmethod
    def restart(self) -> None:
        """Start the current run again."""

    @property
    @abstractmethod
    def current(self) -> Schedule:
        """The schedule that replays the current run."""

    @property
    def planned_faults(self) -> tuple[tuple[str, FaultRef], ...]:
        """Every fault that may happen in the current run, as pairs of client id and fault."""
        return self.current.placed

    @property
    def repeated(self) -> tuple[WireEvent, ...]:
        """The events with which the current run repeats the beginning of an earlier one, in order."""
        return ()


class SingleRun(Decider):
    """A decider of exactly one run."""

    _has_begun = False

    def begin(self) -> bool:
        """Begin the run the first time; return False after that."""
        begins, self._has_begun = not self._has_begun, True
        return begins

    def end(self, run: RunEnd) -> None:
        """Do nothing: there is no further run to plan."""


class Planner(Decider):
    """A decider that plans one run after another.

    Args:
        counted: the counts of an earlier planner that this one continues; they are copied.

    Attributes:
        ledger: counts the planned and the pruned runs; ``Counting`` adds how the runs ended.
    """

    def __init__(self, counted: Ledger | None = None) -> None:
        self.ledger = counted.copy() if counted else Ledger()

    @property
    def label(self) -> str:
        """The name of the ledger row in which the current run counts."""
        return fault_label(self.current)

    @property
    def place(self) -> str:
        """Where the current run's only fault is injected; empty if it has none or several."""
        return place_of(self.current)
