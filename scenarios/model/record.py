"""What is written down of one case while it runs, in one order: plain values.

The record holds everything that the invariants, the story and a comparison of two runs need. Two runs of
one schedule are the same if their ``shape`` is the same: every command, decision and answer, without times.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from midpipe.faultinject.vocabulary import Observed, Step
from midpipe.scenarios.model.evidence import Traits, ViolationEvidence
from midpipe.scenarios.model.history import History, Json, Operation
from midpipe.scenarios.model.state import State, contents_of

_ON_THE_WIRE = ("step ", "arrives ")


@dataclass(frozen=True, slots=True)
class Called:
    """A client made a call; ``version`` tells which one of a mixed fleet it runs."""

    client: str
    method: str
    arguments: tuple[tuple[str, Json], ...]
    attempt: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Stepped:
    """A command was carried out; ``before`` and ``after`` index the record's states. The reply is as it came."""

    step: Step
    before: int
    after: int
    reply: bytes = b""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A held command reached the server after its client had moved on."""

    step: Step
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Restarted:
    """The server was killed, and has come back, or another one in its place; ``how`` tells it in a few words."""

    before: int
    after: int
    how: str


@dataclass(frozen=True, slots=True)
class Completed:
    """A call returned or raised."""

    operation: Operation


Entry = Called | Stepped | Arrived | Restarted | Completed


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that fell in this case, and what was seen."""

    invariant: str
    evidence: tuple[ViolationEvidence, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """Where a case's time went, in seconds."""

    reset_s: float
    connect_s: float
    operate_s: float
    judge_s: float


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """One case as it happened.

    Args:
        entries: calls, commands and answers in order.
        states: the server's states, the first before the first call.
        delivered: as in Evidence.
        invalid_reason: why the case is invalid; empty if it may be believed.
        observations: how many things each invariant looked at.
    """

    program: str
    traits: Traits
    entries: tuple[Entry, ...]
    states: tuple[State, ...]
    history: History
    delivered: tuple[str, ...] | None
    read_back: tuple[tuple[tuple[str, str], Json], ...]
    logs: tuple[str, ...]
    invalid_reason: str
    violations: tuple[Violation, ...]
    observations: tuple[tuple[str, int], ...]
    crashed: tuple[str, ...]
    timing: Timing

    @property
    def is_valid(self) -> bool:
        return not self.invalid_reason

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(entry.step for entry in self.entries if isinstance(entry, Stepped))

    def observed(self) -> tuple[Observed, ...]:
        """Return the steps with all that was to be seen of them; none if some of it could not be seen."""
        contents = [held for held in map(contents_of, self.states) if held is not None]
        is_hidden = len(contents) < len(self.states)
        if is_hidden or any(isinstance(e, Arrived | Restarted) for e in self.entries):
            return ()
        return tuple(
            Observed(entry.step, contents[entry.before], contents[entry.after], entry.reply)
            for entry in self.entries
            if isinstance(entry, Stepped)
        )

    @property
    def faults(self) -> int:
        """How many faults happened."""
        return sum(1 for step in self.steps if step.fault)

    def shape(self) -> tuple[str, ...]:
        """Return what must be the same in every replay, one short text per entry."""
        return (*(_shape(entry) for entry in self.entries), *(v.invariant for v in self.violations))


def first_difference(one: tuple[str, ...], other: tuple[str, ...]) -> str:
    """Return the first wire event at which two shapes of one schedule part; an empty string if they don't."""
    events = 0
    for left, right in zip_longest(one, other, fillvalue="nothing more"):
        events += left.startswith(_ON_THE_WIRE) or right.startswith(_ON_THE_WIRE)
        if left != right:
            return f"at wire event {events}, once {left!r}, once {right!r}"
    return ""


def _shape(entry: Entry) -> str:
    if isinstance(entry, Called):
        return f"{entry.client} calls {entry.method} attempt {entry.attempt}"
    if isinstance(entry, Completed):
        operation = entry.operation
        error = operation.error.type if operation.error else ""
        return f"{operation.client} {operation.method} {operation.completion} {error}"
    if isinstance(entry, Restarted):
        return "the server comes back"
    word = "arrives" if isinstance(entry, Arrived) else "step"
    step = entry.step
    return f"{word} {step.event.position} {step.event.index} {step.fault} {step.executed}"
