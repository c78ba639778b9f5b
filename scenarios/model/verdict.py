"""The verdict: findings by severity, the ledger, the figures, and one outcome of three.

Everything a report shows comes from here, without running again, so this is the published document: its
JSON form carries ``schema``, and a change that a reader could notice raises it. Plain values and the merge
of outcomes; knows no server, no engine and no sink.

Outcomes merge in one written order, pass < unknown < fail: a fault that did not fire, a check that saw
nothing and a checker that crashed are unknown, and unknown is never pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA = 1


class Outcome(StrEnum):
    """pass, unknown or fail. The command's exit code follows from it: 0, 3, 1."""

    PASS = "pass"
    UNKNOWN = "unknown"
    FAIL = "fail"


class Severity(StrEnum):
    """How much a finding costs, worst first."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"

    def counts_from(self, least: Severity) -> bool:
        """Whether it is as bad as that, or worse."""
        order = list(Severity)
        return order.index(self) <= order.index(least)


class Status(StrEnum):
    """What became of one invariant, flaw or review issue."""

    HOLDS = "holds"
    VIOLATED = "violated"
    NOT_APPLICABLE = "not applicable"
    UNKNOWN = "unknown"


def merge(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of several outcomes; of none, UNKNOWN, because nothing was obtained."""
    seen = set(outcomes)
    for outcome in (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS):
        if outcome in seen:
            return outcome
    return Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key of the server before and after a step, as short text; an absent key is an empty string."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One line of what happened, in the case's one order of events.

    Args:
        kind: ``call``, ``command``, ``answer``, ``raise``, ``recovery`` or ``judgement``.
        client: letter of the client; ``R`` recovers without faults; empty for midpipe's own looking.
        text: the call, the command on the wire, or what the caller sees.
        position: where on the wire (``A2``), of commands.
        place: the wire execution index, of commands: the same place, told by what the client was doing.
        fault: the fault placed here, by name; empty if it passed.
        executed: ``yes``, ``no`` or ``unknown``, of commands.
        reply: the server's answer as short text, of commands.
        changes: what the step changed in the server.
    """

    kind: str
    client: str
    text: str
    position: str = ""
    place: str = ""
    fault: str = ""
    executed: str = ""
    reply: str = ""
    changes: tuple[KeyChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """A case as told to a person: the replay string, the steps, the sentences of the invariants that fell."""

    replay: str
    steps: tuple[StoryStep, ...]
    verdict: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation told to a person.

    Args:
        id: short and stable within a verdict, ``F1``, ``F2``, …
        invariant: the invariant's id.
        severity: the worst the invariant can cost.
        program: the program's name.
        replay: the string that ``midpipe replay`` takes; the shortest found.
        claim: what must hold, one sentence.
        evidence: what was seen instead, one sentence each.
        operation: the method of the subject in which it happened.
        place: the wire execution index of the fault, as text; empty if no fault was needed.
        fault: the fault's name; empty if no fault was needed.
        cases: how many cases of the run violated the same invariant in the same program.
        story: the case, step by step.
        neighbour: the nearest case that passes, if one was found.
        on: the option that names the server on which it was found, as a shell takes it; empty for the default.
        blob: Hypothesis' line to reproduce the example as it was found, if one: good for that version of it only.
    """

    id: str
    invariant: str
    severity: Severity
    program: str
    replay: str
    claim: str
    evidence: tuple[str, ...]
    operation: str
    place: str
    fault: str
    cases: int
    story: Story
    neighbour: Story | None = None
    on: str = ""
    blob: str = ""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Coverage of one fault in one program, in cases. ``space = run + pruned + not_reached + invalid``.

    Args:
        pruned: cases left out because they can't differ or would show nothing new, and by which rule.
        not_reached: planned cases that were not run (time budget, interruption).
        invalid: cases whose planned fault did not fire, or fired elsewhere.
    """

    program: str
    fault: str
    space: int
    run: int
    pruned: int
    pruned_by: tuple[str, ...]
    not_reached: int
    invalid: int
    violated: int


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """What fuzzing covered of one operation. A place is one of its commands in one state of the job.

    Args:
        places: how many were met.
        seen: combinations of a place and a fault (or none) that happened.
        known: those that the run has shown to be possible: each place with each fault that can be placed there.
    """

    operation: str
    places: int
    seen: int
    known: int


@dataclass(frozen=True, slots=True)
class InvariantRow:
    """One invariant over the whole run.

    Args:
        observations: how many things it looked at; a check that saw nothing never holds.
        note: why it does not apply, or can't be told.
    """

    invariant: str
    severity: Severity
    claim: str
    status: Status
    observations: int
    violations: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class FlawRow:
    """One cell of selfcheck's matrix: a flawed queue and an invariant.

    Args:
        expected: the flaw declares that this invariant must catch it.
        replay: shortest string that shows it; empty if not caught.
        case_number: at which case it was found first, from 1; 0 if not caught.
        seconds: from the start of the flaw's hunt to the first find.
        by: how it was hunted: ``sweep``, ``interleave``, ``fleet`` or ``fuzz``.
    """

    flaw: str
    invariant: str
    expected: bool
    caught: bool
    replay: str = ""
    case_number: int = 0
    seconds: float = 0.0
    by: str = "sweep"


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One issue of the review, tried on one subject.

    Args:
        issue: ``CRITICAL-1``, …
        how: ``behaviour`` (a case on a real server) or ``source`` (read in the code).
        shown: VIOLATED if the issue was reproduced, HOLDS if it does not happen.
    """

    issue: str
    title: str
    severity: Severity
    subject: str
    how: str
    shown: Status
    evidence: str
    replay: str = ""


@dataclass(frozen=True, slots=True)
class DurabilityRow:
    """The server killed at every command, under one persistence.

    Args:
        promise: what the persistence promises.
        cases, violated: how many were run, and in how many anything fell.
        violated_invariants: which invariants fell.
        replay: the first case in which one fell.
        counts: what fell is the subject's fault: a killed process loses nothing of an append-only file.
    """

    persistence: str
    promise: str
    cases: int
    violated: int
    violated_invariants: tuple[str, ...]
    replay: str
    counts: bool


@dataclass(frozen=True, slots=True)
class PowerLossRow:
    """What a power loss leaves of one program, at every moment of it.

    Args:
        moments: prefixes of the append-only file that a server was started on.
        torn: how many of them left a job half written.
        after, seen: of the first: the last record that was kept, and what does not hold.
    """

    program: str
    moments: int
    torn: int
    after: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number, with its unit, for the report."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class ServerColumn:
    """What one of several servers contributed.

    Args:
        parts: outcome of each part that ran on it; what concerns midpipe's own queues runs on the first only.
        invariants: status of each.
        findings: ids of those that were made on it.
        cases: how many the ledger counts as run on it.
    """

    server: str
    outcome: Outcome
    parts: tuple[tuple[str, Outcome], ...]
    invariants: tuple[tuple[str, Status], ...]
    findings: tuple[str, ...]
    cases: int
    seconds: float
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole judgement of one subject against one server, or several.

    Args:
        again: the options that name the subject, as a shell takes them; for replay lines.
        started_at: UTC, ISO 8601.
        parts: outcome of each part that ran (``selfcheck``, ``review``, ``sweep``), by name.
        warnings: what makes a pass mean less than it seems; shown first.
        partial: interrupted or out of budget before everything planned had run.
        servers: a column for each, if there were several; then all else is the sum, and the worst, of them.
    """

    midpipe: str
    subject: str
    again: str
    server: str
    command: str
    started_at: str
    seconds: float
    outcome: Outcome
    parts: tuple[tuple[str, Outcome], ...]
    findings: tuple[Finding, ...] = ()
    invariants: tuple[InvariantRow, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    selfcheck: tuple[FlawRow, ...] = ()
    review: tuple[ReviewRow, ...] = ()
    durability: tuple[DurabilityRow, ...] = ()
    power_loss: tuple[PowerLossRow, ...] = ()
    coverage: tuple[CoverageRow, ...] = ()
    figures: tuple[Figure, ...] = ()
    warnings: tuple[str, ...] = ()
    partial: bool = False
    servers: tuple[ServerColumn, ...] = ()
    schema: int = field(default=SCHEMA)
