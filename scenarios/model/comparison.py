"""A comparison of several queues: its columns, and what was found and measured of each queue. Plain values.

It holds everything that the page shows, so that a stored comparison is printed again without running anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from midpipe.scenarios.model.messages import CaseEnded, Exposure
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.verdict import Finding, Status, Verdict

PROGRAMS = ("enqueue-then-work", "work", "work-twice")
"""What is run of each queue."""


@dataclass(frozen=True, slots=True)
class Aspect:
    """One column of the comparison.

    Args:
        name: what goes wrong, for a reader.
        calls: the calls in which it goes wrong.
        invariants: what it violates.
    """

    name: str
    calls: tuple[str, ...]
    invariants: tuple[str, ...]


ASPECTS = (
    Aspect("enqueue: lost", ("enqueue",), ("no-lost-job", "retry-succeeds")),
    Aspect("enqueue: doubled", ("enqueue",), ("no-duplicate",)),
    Aspect("worker: lost", ("work", "tick"), ("no-lost-job",)),
    # A fault of the enqueue, too, can leave a job in a place where no worker looks.
    Aspect("worker: stuck", ("enqueue", "work", "tick"), ("no-stuck-job",)),
    Aspect("worker: doubled", ("work", "tick"), ("no-duplicate",)),
    Aspect("worker: dies", ("work", "tick"), ("worker-lives",)),
)
_COMPARED = frozenset(name for aspect in ASPECTS for name in aspect.invariants)


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding as the page shows it.

    Args:
        operation: the call in which it goes wrong.
        seen: what was observed, in one sentence.
        command: what replays it.
    """

    severity: str
    invariants: tuple[str, ...]
    operation: str
    seen: str
    command: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """An invariant that no case could check, with the reason."""

    invariant: str
    reason: str


@dataclass(frozen=True, slots=True)
class Times:
    """How long calls took, in ms."""

    calls: int
    median_ms: float
    longest_ms: float


@dataclass(frozen=True, slots=True)
class CallTimes:
    """One call of a queue, without faults and under them.

    Args:
        before: the calls that ended before any fault.
        hit: the calls into which a fault was injected; the caller's retries count as part of the call.
    """

    method: str
    before: Times | None
    hit: Times | None


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a queue is without faults, on the machine's clock.

    Args:
        enqueue_ms: the median time of an enqueue.
        set_ms: that of a bare SET in the same rounds, which shows how busy the machine was.
        jobs_per_second: that one worker runs, its start included.
        jobs: that were enqueued and run in each round.
    """

    enqueue_ms: float
    set_ms: float
    jobs_per_second: float
    jobs: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found of one queue.

    Args:
        name: as in ``--queue``, or what ``--subject`` took.
        version: its release; empty for a subject.
        promises: what it was judged by, with the value of each.
        documented: what its documentation says of delivery, and where; empty if it is not known.
        settings: what midpipe sets instead of a default, as a sentence; empty if nothing.
        variant_of: the library of which these are recommended settings; empty if they are not.
        cases: number of cases that were run.
        left_out: what the budget did not suffice for; empty if everything was run.
        checked: the invariants that some case has checked.
        calls: how long its calls took in those cases.
        recovered_after_s: the longest that it took until the job of a dead worker had run; None if none was measured.
        rate: None if it was not measured.
        reason: why it could not be judged; empty if it was.
    """

    name: str
    version: str = ""
    promises: str = ""
    documented: str = ""
    settings: str = ""
    variant_of: str = ""
    cases: int = 0
    left_out: str = ""
    findings: tuple[Shown, ...] = ()
    checked: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()
    calls: tuple[CallTimes, ...] = ()
    recovered_after_s: float | None = None
    rate: Rate | None = None
    reason: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Name and version."""
        return self.name, self.version

    def found(self, aspect: Aspect) -> tuple[Shown, ...]:
        """Return the findings of one column."""
        return tuple(
            finding
            for finding in self.findings
            if finding.operation in aspect.calls and {*finding.invariants} & {*aspect.invariants}
        )

    def is_checked(self, aspect: Aspect) -> bool:
        """Whether some case gave the invariants of a column anything to check."""
        return bool({*self.checked} & {*aspect.invariants})

    def times_of(self, method: str) -> CallTimes:
        """Return how long a call took."""
        found = (call for call in self.calls if call.method == method)
        return next(found, CallTimes(method, None, None))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A whole comparison.

    Args:
        midpipe: the version of midpipe.
        command: what makes it.
        date: of the run, ISO 8601.
        server: software, version and origin of the server.
        budget_s: how long each queue was judged, at most.
    """

    midpipe: str
    command: str
    date: str
    server: str
    budget_s: float
    rows: tuple[Compared, ...]


@dataclass(slots=True)
class Measured:
    """What the cases of one queue have shown of its speed so far.

    Attributes:
        durations_ms: of the calls, by method and by what they met.
        recovered_after_s: as in Compared.
    """

    durations_ms: dict[tuple[str, Exposure], list[float]] = field(default_factory=dict)
    recovered_after_s: float | None = None

    def take(self, ended: CaseEnded) -> None:
        """Take the times of a case."""
        for call in ended.calls:
            key = call.method, call.exposure
            self.durations_ms.setdefault(key, []).append(call.duration_ms)
        if ended.recovered_after_s is not None:
            self.recovered_after_s = max(self.recovered_after_s or 0.0, ended.recovered_after_s)

    def calls(self) -> tuple[CallTimes, ...]:
        """Return the times of each call."""
        methods = dict.fromkeys(method for method, _ in self.durations_ms)
        return tuple(
            CallTimes(
                method,
                times_of(self.durations_ms.get((method, Exposure.BEFORE), ())),
                times_of(self.durations_ms.get((method, Exposure.HIT), ())),
            )
            for method in methods
        )


def times_of(durations_ms: Iterable[float]) -> Times | None:
    """Return the median and the longest of some durations; None if there is none."""
    found = tuple(durations_ms)
    return Times(len(found), round(median(found), 2), round(max(found), 1)) if found else None


def shown(finding: Finding, again: str) -> Shown:
    """Return a finding as the page shows it.

    Args:
        again: the options that name the queue.
    """
    seen = finding.evidence[0] if finding.evidence else finding.claim
    command = replay_command(finding.replay, again)
    invariants = tuple(finding.invariants)
    return Shown(str(finding.severity), invariants, finding.operation, seen, command)


def checked_in(verdict: Verdict) -> tuple[str, ...]:
    """Return the invariants of the columns that some case has checked."""
    return tuple(
        row.invariant
        for row in verdict.invariants
        if row.invariant in _COMPARED
        and row.observations
        and row.status in (Status.HOLDS, Status.VIOLATED)
    )


def unchecked_in(verdict: Verdict) -> tuple[Unchecked, ...]:
    """Return the invariants of the columns that could not be checked."""
    return tuple(
        Unchecked(row.invariant, row.note)
        for row in verdict.invariants
        if row.note and row.invariant in _COMPARED
    )
