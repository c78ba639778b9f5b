"""Values that travel between the gate and its workers.

A worker sends a message for each case, and one result at the end of the task.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from midpipe.faultinject.decide.frontier import Frontier
from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.faultinject.decide.schedule import Schedule, fault_label, replay_string
from midpipe.faultinject.decide.sweep import SweepFrontier
from midpipe.scenarios.model.coverage import Coverage
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import History, Operation, Phase
from midpipe.scenarios.model.record import CaseRecord, Unconfirmed, Violation
from midpipe.scenarios.model.story import Story
from midpipe.scenarios.model.verdict import CheckerCrash

RUNS_IF_NONDETERMINISTIC = 200
"""Random orders of a program whose subject is not deterministic."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Random orders of a program, instead of every order.

    Args:
        runs: number of orders, in all shares.
        seed: the same seed gives the same orders.
        depth: bug depth of PCT, which gives the clients random priorities; None picks any client at each point.
        share: (index, count): which of the orders are run.
    """

    runs: int
    seed: int
    depth: int | None = None
    share: tuple[int, int] = (0, 1)


class Exposure(StrEnum):
    """Which calls of a case met its faults."""

    BEFORE = "before"
    """The call ended before any fault, as in a case without faults."""
    HIT = "hit"
    """A fault was injected into the call."""
    AFTER = "after"
    """The call began after a fault."""


@dataclass(frozen=True, slots=True)
class TimedCall:
    """How long a call of the program took, the caller's retries included.

    Args:
        duration_ms: on the clock that the caller reads.
    """

    method: str
    exposure: Exposure
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEnded:
    """The result of one case, with what is needed to count and to replay it; its story is recorded in a later run.

    Args:
        program: its name.
        replay: the argument of ``midpipe replay``.
        fault: names of the faults, joined by ``+``; ``none`` if there is none.
        faults: number of faults.
        valid: the case is judged; its observations and violations count.
        invalid_reason: why the case is invalid; empty if it is valid.
        violations: those that count.
        confirmed: the invariants whose violation further runs of the case have shown again; other violations count
            because a few of their kind are confirmed.
        unconfirmed: what looked like a violation, and did not show again.
        observations: how many observations each invariant made.
        crashes: the invariants whose check raised.
        seconds: time spent on reset, connecting, operations and judging.
        blob: Hypothesis' reproduce line, if this is the fuzzed example in which a violation was new.
        has_child_processes, recovered_after_s: as in CaseRecord.
        calls: how long the program's calls took; without those whose caller died.

    Example:
        >>> from midpipe import Session
        >>> with Session("midpipe.scenarios.flaws.as_shipped:SimpleQueue") as session:
        ...     cases = session.interleave("same-request-twice", max_orders=20)
        ...     first = next(ended for ended in cases if ended.violations)
        >>> print(first.replay, first.violations[0].invariant)
        same-request-twice: A1 B1 no-duplicate
    """

    program: str
    replay: str
    fault: str
    faults: int
    valid: bool
    invalid_reason: str
    violations: tuple[Violation, ...]
    observations: tuple[tuple[str, int], ...]
    crashes: tuple[CheckerCrash, ...]
    seconds: tuple[float, float, float, float]
    confirmed: tuple[str, ...] = ()
    unconfirmed: tuple[Unconfirmed, ...] = ()
    blob: str = ""
    has_child_processes: bool = False
    recovered_after_s: float | None = None
    calls: tuple[TimedCall, ...] = ()


def ended_from(record: CaseRecord, schedule: Schedule) -> CaseEnded:
    """Return what is reported of a case."""
    timing = record.timing
    return CaseEnded(
        program=record.program,
        replay=replay_string(record.program, schedule),
        fault=fault_label(schedule),
        faults=len(schedule.faults),
        valid=record.is_valid,
        invalid_reason=record.invalid_reason,
        violations=record.violations if record.is_valid else (),
        confirmed=record.confirmed,
        unconfirmed=record.unconfirmed,
        observations=record.observations,
        crashes=record.crashes,
        seconds=(timing.reset_s, timing.connect_s, timing.operate_s, timing.judge_s),
        has_child_processes=record.has_child_processes,
        recovered_after_s=record.recovered_after_s,
        calls=timed_calls(record.history) if record.is_valid else (),
    )


def timed_calls(history: History) -> tuple[TimedCall, ...]:
    """Return how long each request of the program took, all its attempts together."""
    requests: dict[tuple[str, int], list[Operation]] = {}
    for operation in history:
        if operation.phase is Phase.PROGRAM:
            requests.setdefault((operation.client, operation.request), []).append(operation)
    first_fault = min((call.invoked_at for call in history if call.faulted), default=None)
    found = []
    for attempts in requests.values():
        if any(attempt.caller_died for attempt in attempts):
            continue
        if any(attempt.faulted for attempt in attempts):
            exposure = Exposure.HIT
        elif first_fault is None or attempts[-1].completed_at < first_fault:
            exposure = Exposure.BEFORE
        else:
            exposure = Exposure.AFTER
        duration_ms = sum(attempt.duration_ms for attempt in attempts)
        found.append(TimedCall(attempts[0].method, exposure, round(duration_ms, 3)))
    return tuple(found)


REPORTS_EVERY_S = 1.0
"""How often an exploration reports its progress at most, in seconds."""
REPORTS_SHARE = 0.05
"""How much of an exploration's time its reports of progress may take."""
ExplorationFrontier = Frontier | SweepFrontier
"""Where an exploration of orders or a sweep stands, so that another task can resume it."""


@dataclass(frozen=True, slots=True)
class ExplorationProgress:
    """Where an exploration stands, reported now and then, so that little is lost if it is interrupted."""

    frontier: ExplorationFrontier


@dataclass(slots=True)
class FuzzBatch:
    """A batch of examples was run.

    Args:
        next_seed: of the batch that comes next.
        sometimes: by event that a run must show now and then to mean something, how often this batch showed it.
        nondeterministic: of the examples that were run twice and differed: the replay string, and the difference.
        stale: replay strings of an earlier run that can't be placed any more.
        not_shared: why the corpus is not used from here on; empty if it is.
    """

    next_seed: int
    coverage: Coverage = field(default_factory=Coverage)
    sometimes: Counter[str] = field(default_factory=Counter)
    nondeterministic: list[tuple[str, str]] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    not_shared: str = ""


@dataclass(frozen=True, slots=True)
class OnMachinesClock:
    """The cases that follow run on the machine's clock, although a stepped one was to be used where that is possible.

    Args:
        reason: why, as half a sentence.
    """

    reason: str

    def __str__(self) -> str:
        """The note in a report."""
        return f"On the machine's clock, so without faults of the clock: {self.reason}."


@dataclass(frozen=True, slots=True)
class Probed:
    """The subject can be hosted: what it has, and the name of the server that it was tried on."""

    traits: Traits
    server: str


@dataclass(frozen=True, slots=True)
class SourceDone:
    """The subject's methods: name, text, number of the first line; none if its source can't be read."""

    methods: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class ExplorationDone:
    """A sweep, or an exploration of orders, came to its end.

    Args:
        ledger: its share of the ledger.
        missing: what the program requires and the subject does not have; then nothing was run.
        stopped: it ended early, because of its deadline or because it was cancelled.
        nondeterministic: where two runs without faults differed; empty if they did not.
        frontier: where another task can resume it; None if nothing is left, or it can't be resumed.
        bounded: there were more orders than were to be run.
        not_tried: why the server can't keep its data as the sweep needs it; then nothing was run.
        raised: what every call of the program raised without any fault; then nothing was run.
    """

    ledger: tuple[LedgerRow, ...]
    missing: tuple[str, ...] = ()
    stopped: bool = False
    nondeterministic: str = ""
    frontier: ExplorationFrontier | None = None
    bounded: bool = False
    not_tried: str = ""
    raised: str = ""


@dataclass(frozen=True, slots=True)
class PowerLossOutcome:
    """What one power loss left.

    Args:
        records: how many records of the append-only file were kept whole.
        after: the last of them as short text; empty if there is none.
        torn: the next record was kept in part.
        seen: a sentence for each thing that is wrong with the state in which the server came back.
        invalid_reason: why that is unknown; empty if it is known.
    """

    records: int
    after: str
    torn: bool
    seen: tuple[str, ...]
    invalid_reason: str = ""


@dataclass(frozen=True, slots=True)
class PowerLossDone:
    """Every power loss of a program was tried.

    Args:
        lacks: what the program needs and the subject does not have; then none was tried.
        not_tried: why none could be tried although the program applies; empty if they were.
        stopped: the deadline came before all were tried.
    """

    outcomes: tuple[PowerLossOutcome, ...]
    lacks: tuple[str, ...] = ()
    not_tried: str = ""
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class FuzzDone:
    """A fuzz task ended: its time was up, or every invariant that it hunted was violated."""


@dataclass(frozen=True, slots=True)
class Caught:
    """An invariant caught a flaw.

    Args:
        replay: the first case that violated it.
        case_number: of that case, from 1.
        seconds: from the start of the hunt to that case.
        seen: what was observed, one sentence.
    """

    invariant: str
    replay: str
    case_number: int
    seconds: float
    seen: str


@dataclass(frozen=True, slots=True)
class HuntDone:
    """A hunt came to its end.

    Args:
        cases, invalid: how many were run, and how many of them were invalid.
        runnable: how many programs the subject can run.
        stopped: the deadline came before everything was run or every invariant was violated.
        unconfirmed: how many cases showed what looked like a violation, and did not show it again.
        seconds: how long it took.
        replays: a case that was to be run again violated the invariant; None if there was none.
        reason: why nothing could be run; empty if something was.
    """

    caught: tuple[Caught, ...]
    cases: int
    invalid: int
    runnable: int
    stopped: bool = False
    unconfirmed: int = 0
    seconds: float = 0.0
    replays: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryDone:
    """A case was run again for its story.

    Args:
        unplaced: a sentence for each step of the schedule that could not be placed.
        invalid_reason: why the case is invalid; empty if it is valid.
        shape: what must be the same in every replay.
        nondeterministic: where the runs of the case differed; empty if they did not.
    """

    story: Story
    violated_invariants: tuple[str, ...]
    unplaced: tuple[str, ...]
    invalid_reason: str
    shape: tuple[str, ...]
    nondeterministic: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A task could not be done.

    Args:
        kind: name of the MidpipeError, which says at whose fault.
        trace: the traceback of an error of midpipe's own.
    """

    kind: str
    message: str
    trace: str = ""


Result = (
    Probed | SourceDone | ExplorationDone | PowerLossDone | FuzzDone | HuntDone | StoryDone | Failed
)
Message = CaseEnded | ExplorationProgress | FuzzBatch | OnMachinesClock | Result
