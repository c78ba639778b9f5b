"""The verdict: findings by severity, the ledger, coverage, and one of three outcomes.

Every report is made from this document alone. Its JSON form is published and carries ``schema``, which rises with
every change that a reader could notice. Plain values; knows no server, no case and no sink.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.scenarios.model.accepted import KnownFinding
from midpipe.scenarios.model.finding import Finding, ShardRow
from midpipe.scenarios.model.outcome import Extent, Outcome, Severity, Status, merge
from midpipe.scenarios.model.progress import ProgressRow

__all__ = [
    "SCHEMA",
    "CheckerCrash",
    "CoverageRow",
    "DurabilityRow",
    "Extent",
    "Finding",
    "FlawRow",
    "FuzzCoverage",
    "InvariantRow",
    "Outcome",
    "PartRow",
    "PowerLossRow",
    "ReviewRow",
    "ServerColumn",
    "Severity",
    "ShardRow",
    "Status",
    "Verdict",
    "merge",
]

SCHEMA = 2


@dataclass(frozen=True, slots=True)
class AcceptedFinding:
    """A finding of this run that the baseline accepts, with the reason and the date given there."""

    finding: Finding
    reason: str
    date: str


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """Coverage of one operation by fuzzing. A place is one of its commands in one state of the job.

    Args:
        places: number of places reached.
        seen: number of combinations of a place and a fault (or none) that cases have shown.
        known: number of combinations that the run has shown to be possible: each place with each fault that can be
            injected there.
    """

    operation: str
    places: int
    seen: int
    known: int


@dataclass(frozen=True, slots=True)
class FuzzCoverage:
    """What fuzzing covered.

    Args:
        operations: a row for each operation, by name.
        new_in_a_further_case: estimated number of unseen combinations that one more case would show.
        events: what the cases must sometimes do to prove anything, and how many did.
    """

    operations: tuple[CoverageRow, ...]
    new_in_a_further_case: float
    events: tuple[tuple[str, int], ...] = ()

    @property
    def seen(self) -> int:
        """Number of combinations that cases have shown."""
        return sum(row.seen for row in self.operations)

    @property
    def known(self) -> int:
        """Number of combinations that the run has shown to be possible."""
        return sum(row.known for row in self.operations)


@dataclass(frozen=True, slots=True, order=True)
class CheckerCrash:
    """An invariant whose check raised an exception, so its status is unknown."""

    invariant: str
    error: str

    def __str__(self) -> str:
        return f"The check of {self.invariant} crashed: {self.error}"


@dataclass(frozen=True, slots=True)
class InvariantRow:
    """One invariant over the whole run.

    Args:
        observations: number of things it checked; an invariant that checked nothing never counts as held.
        note: why it does not apply, or why its status is unknown.
    """

    invariant: str
    severity: Severity
    claim: str
    status: Status
    observations: int
    violations: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """One promise by which the subject was judged.

    Args:
        source: ``declared``, ``seen`` in a run without faults, or ``default``.
    """

    promise: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class FlawRow:
    """One cell of the selfcheck matrix: a flawed queue and an invariant.

    Args:
        flaw: name of the flawed queue; ``reference`` is the queue without a flaw.
        expected: the flaw is registered as one that this invariant must catch.
        outcome: FAIL if the invariant missed a flaw that it must catch, or accuses the reference.
        replay: the shortest replay line that shows it; empty if not caught.
        case_number: number of the first case that showed it, from 1; 0 if not caught.
        seconds: from the start of the search to the first case that showed it.
        by: how it was searched for: ``sweep``, ``interleave``, ``fleet`` or ``fuzz``.
    """

    flaw: str
    invariant: str
    expected: bool
    caught: bool
    outcome: Outcome
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
        shown: VIOLATED if the issue was reproduced, HOLDS if it does not occur.
        outcome: FAIL if that is not what is known of this subject.
    """

    issue: str
    title: str
    severity: Severity
    subject: str
    how: str
    shown: Status
    outcome: Outcome
    evidence: str
    replay: str = ""


@dataclass(frozen=True, slots=True)
class DurabilityRow:
    """Cases that kill the server at every command, under one persistence mode.

    Args:
        promise: what that mode promises.
        cases, violated: number of cases that were run, and of those that violated an invariant.
        violated_invariants: the ids of those invariants.
        replay: the first case that violated one.
        counts: a violation is the subject's fault, because a killed server loses nothing of an append-only file.
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
    """What a power loss at every moment of one program leaves behind.

    Args:
        moments: number of prefixes of the append-only file on which a server was started.
        torn: number of those that left a job half written.
        after, seen: of the first of those, the last record that was kept, and what is wrong.
    """

    program: str
    moments: int
    torn: int
    after: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part of the run, such as ``sweep``.

    Args:
        cases: number of cases of the subject that it ran.
        seconds: how long it took.
        left_out: what of it was not run, in a few words; empty if it is complete or was not begun.
    """

    name: str
    outcome: Outcome
    extent: Extent = Extent.COMPLETE
    cases: int = 0
    seconds: float = 0.0
    left_out: str = ""

    @property
    def cases_per_second(self) -> float:
        return self.cases / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class NotRunRow:
    """The programs of one part that do not apply to the subject.

    Args:
        part: as in PartRow.
        programs: their names.
        lacks: the calls, or whatever else they need, that the subject does not have.
    """

    part: str
    programs: tuple[str, ...]
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerColumn:
    """The results of one server, when a run judges the subject on several.

    Args:
        parts: those planned for it; selfcheck and review run on the first server only.
        invariants: status of each invariant.
        findings: ids of the findings made on it.
        cases: number of cases that ran on it, according to the ledger.
    """

    server: str
    outcome: Outcome
    parts: tuple[PartRow, ...]
    invariants: tuple[tuple[str, Status], ...]
    findings: tuple[str, ...]
    cases: int
    seconds: float
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one subject on one or several servers.

    Args:
        midpipe: the version of midpipe.
        subject: its name, as in reports.
        again: the shell-quoted options that name the subject; for replay lines.
        server: software, version and origin of the server, or the names of several.
        command: the command line that ran.
        started_at: UTC, ISO 8601.
        seconds: how long the run took.
        outcome: the worst of the parts: ``pass``, ``unknown`` or ``fail``.
        parts: the parts that were planned (``selfcheck``, ``review``, ``sweep``, …), in order.
        findings: the confirmed violations, the worst first.
        invariants: by invariant, whether it held, and what it checked.
        ledger: by program and fault, how many cases there are, were run, pruned or not reached.
        selfcheck: the flawed queues, and whether they were caught.
        review: what the review of the queue claims, and what was seen of it.
        durability: by persistence, what a killed server cost.
        power_loss: by program, what a power loss at each moment cost.
        coverage: what fuzzing has seen; None if it was not run.
        crashes: the invariants whose check raised.
        warnings: reasons why a pass means less than it seems; reports show them first.
        not_run: programs that do not apply to the subject.
        partial: the run was interrupted, or its budget ended, before everything planned had run.
        promises: what the subject was held to; empty if that did not become known.
        accepted: findings that the baseline accepts; they are not among the findings, and don't fail the run.
        gone: findings of the baseline that this run did not find, although it ran their programs.
        shard: the shard of a run that this verdict is on; None for a whole run.
        progress: of fuzzing or of a campaign, what it had covered and found by when; empty for other runs.
        servers: a column for each of several servers; the other fields then hold their sums and worst values.
        schema: the version of this structure.

    Example:
        >>> from midpipe import judge
        >>> verdict = judge("midpipe.reference:Queue", parts=["sweep"], programs=["enqueue"])
        >>> len(verdict.findings), sum(row.violated for row in verdict.ledger)
        (0, 0)
    """

    midpipe: str
    subject: str
    again: str
    server: str
    command: str
    started_at: str
    seconds: float
    outcome: Outcome
    parts: tuple[PartRow, ...]
    findings: tuple[Finding, ...] = ()
    invariants: tuple[InvariantRow, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    selfcheck: tuple[FlawRow, ...] = ()
    review: tuple[ReviewRow, ...] = ()
    durability: tuple[DurabilityRow, ...] = ()
    power_loss: tuple[PowerLossRow, ...] = ()
    coverage: FuzzCoverage | None = None
    crashes: tuple[CheckerCrash, ...] = ()
    warnings: tuple[str, ...] = ()
    not_run: tuple[NotRunRow, ...] = ()
    partial: bool = False
    servers: tuple[ServerColumn, ...] = ()
    promises: tuple[PromiseRow, ...] = ()
    accepted: tuple[AcceptedFinding, ...] = ()
    gone: tuple[KnownFinding, ...] = ()
    shard: ShardRow | None = None
    progress: tuple[ProgressRow, ...] = ()
    schema: int = field(default=SCHEMA)
