"""The record of one case: its events in one total order, as plain values.

It holds everything that the invariants, the story and a comparison of two runs need. Two runs of one schedule are
equal if their ``shape`` is equal: every command, decision and completion, without times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from midpipe.faultinject.vocabulary import Observed, Step
from midpipe.scenarios.model.evidence import Traits, ViolationEvidence
from midpipe.scenarios.model.history import Execution, History, Json, Operation, RaisedError
from midpipe.scenarios.model.state import State, contents_of
from midpipe.scenarios.model.story import CommandSource
from midpipe.scenarios.model.verdict import CheckerCrash

_ON_THE_WIRE = ("step ", "arrives ")


MORE_PATIENCE = 3
"""Each further try of a case is so many times more patient: its time-outs and leases last so much longer."""
MOST_RUNS, NEEDED = 3, 2
"""A violation is confirmed if so many of so many further runs violate the same invariant."""


@dataclass(frozen=True, slots=True)
class Called:
    """A client made a call. ``version`` is the version that the client runs in a mixed fleet."""

    client: str
    method: str
    arguments: tuple[tuple[str, Json], ...]
    attempt: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Stepped:
    """A command was handled. ``before`` and ``after`` index the record's states; ``reply`` is in wire format."""

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
    """The server came back, or another one took its place; ``how`` says so in a few words."""

    before: int
    after: int
    how: str


@dataclass(frozen=True, slots=True)
class Completed:
    """A call returned or raised."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Passed:
    """So many seconds passed on a stepped clock, because every client was parked or waited for time alone."""

    seconds: float


Entry = Called | Stepped | Arrived | Restarted | Completed | Passed


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that this case violated, and the observations that show it.

    Args:
        invariant: its id.
        evidence: one sentence for each observation, with the operations and states that it is about.

    Example:
        >>> from midpipe import Session
        >>> with Session("midpipe.scenarios.flaws.as_shipped:SimpleQueue") as session:
        ...     case = session.run("same-request-twice", "A1 B1")
        >>> [violation.invariant for violation in case.violations]
        ['no-duplicate']
    """

    invariant: str
    evidence: tuple[ViolationEvidence, ...]


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A violation that did not show again often enough, so it is unknown whether the invariant holds.

    Args:
        violation: what the case showed in its first run.
        again: number of further runs that violated the same invariant.
        runs: number of further runs; 0 if there was no time for one.
    """

    violation: Violation
    again: int
    runs: int

    def __str__(self) -> str:
        seen = self.violation.evidence[0].seen.removesuffix(".")
        once = f"{self.violation.invariant} was violated once ({seen})"
        if not self.runs:
            return f"{once}, and there was no time to run the case again"
        again = f"again in {self.again}" if self.again else "in none"
        where = f"{again} of {self.runs} further runs"
        if self.runs == 1:
            where = "not in the one further run"
        if self.again + MOST_RUNS - self.runs >= NEEDED:
            where += ", after which the time was up"
        return f"{once}, and {where}; {NEEDED} are needed to confirm it"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each stage of a case took, in seconds."""

    reset_s: float
    connect_s: float
    operate_s: float
    judge_s: float


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """One case as it happened.

    Args:
        program: its name.
        traits: what the subject has and does.
        entries: calls, commands and completions in order.
        states: the server's states; the first is the state before the first call.
        history, delivered, drain_error, read_back, logs, executions: as in Evidence.
        invalid_reason: why the case is invalid; empty if it is valid.
        violations: the invariants that did not hold, with their evidence.
        observations: the number of things that each invariant checked.
        crashes: the invariants whose check raised.
        timing: where the case's time went, in seconds.
        was_aborted: it is invalid because something raised, and was not run to its end.
        confirmed: the invariants whose violation further runs of the case have shown again.
        unconfirmed: what looked like a violation, and did not show again.
        patience: how many times longer than usual time-outs and leases lasted.
        connections: on how many connections one client sent commands that have a position, at most.
        has_child_processes: the subject has started processes of its own.
        recovered_after_s: after how many seconds the last job ran or was received that a worker had left when it died;
            None if that did not happen, or was not measured.

    Example:
        >>> from midpipe import Session
        >>> with Session("midpipe.reference:Queue") as session:
        ...     case = session.run("enqueue", "A1!lost-reply")
        >>> case.is_valid, case.faults, len(case.violations)
        (True, 1, 0)
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
    crashes: tuple[CheckerCrash, ...]
    timing: Timing
    executions: tuple[Execution, ...] = ()
    drain_error: RaisedError | None = None
    was_aborted: bool = False
    connections: int = 0
    has_child_processes: bool = False
    recovered_after_s: float | None = None
    confirmed: tuple[str, ...] = ()
    unconfirmed: tuple[Unconfirmed, ...] = ()
    patience: int = 1

    @property
    def is_valid(self) -> bool:
        return not self.invalid_reason

    @property
    def violated_invariants(self) -> frozenset[str]:
        """The invariants that the case violates; none if it is invalid."""
        return frozenset(v.invariant for v in self.violations if self.is_valid)

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(entry.step for entry in self.entries if isinstance(entry, Stepped))

    def observed(self) -> tuple[Observed, ...]:
        """Return each step with its states and its reply; nothing if a snapshot does not show all of its state."""
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
        """Number of faults that were injected."""
        return sum(1 for step in self.steps if step.fault)

    def shape(self) -> tuple[str, ...]:
        """Return what every replay must reproduce, as one short text per entry."""
        happened = (entry for entry in self.entries if not isinstance(entry, Passed))
        return (*map(_shape, happened), *(v.invariant for v in self.violations))

    def labels(self) -> frozenset[str]:
        """Return the labels of the case's commands: equal for a client that only sends them in another order."""
        return frozenset(str(step.event.label) for step in self.steps)


def first_difference(one: tuple[str, ...], other: tuple[str, ...]) -> str:
    """Return the first wire event at which two shapes of one schedule differ; an empty string if they are equal."""
    events = 0
    for left, right in zip_longest(one, other, fillvalue="nothing more"):
        events += left.startswith(_ON_THE_WIRE) or right.startswith(_ON_THE_WIRE)
        if left != right:
            return f"at wire event {events}, one run has {left!r} and another {right!r}"
    return ""


def different_labels(one: CaseRecord, other: CaseRecord) -> str:
    """Return what only one of two runs of one schedule sent, as one clause; empty if both sent the same."""
    differing = sorted(one.labels() ^ other.labels())
    return f"only one of two runs has {', '.join(differing)}" if differing else ""


def _shape(entry: Called | Stepped | Arrived | Restarted | Completed) -> str:
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


@dataclass(frozen=True, slots=True)
class Replayed:
    """A case that was replayed.

    Args:
        unplaced: a sentence for each step of the schedule that could not be placed.
        replay: the replay string in its canonical form.
        sources: where the subject's code sent the commands, by position; empty unless that was asked for.
    """

    record: CaseRecord
    unplaced: tuple[str, ...]
    replay: str
    sources: Mapping[str, CommandSource] = field(default_factory=dict)

    def violates(self, invariant: str) -> bool:
        """Whether the case is valid, is the one that was named, and violates the invariant."""
        return not self.unplaced and invariant in self.record.violated_invariants
