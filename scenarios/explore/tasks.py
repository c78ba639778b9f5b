"""What a worker can be asked to do, and what it answers, as plain values that travel between processes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from midpipe.faultinject.decide.interleave import Frontier
from midpipe.faultinject.decide.ledger import LedgerRow
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.power_loss import PowerLossOutcome
from midpipe.scenarios.model.coverage import Coverage
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.messages import CaseEnded, Sampling
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Story

SHRINKS_FOR_S = 10.0


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """See whether a subject can be hosted and can enqueue at all, and what it has.

    Args:
        persistence: on a server that keeps its data so; None takes the one that keeps nothing.
    """

    subject: SubjectSpec
    persistence: Persistence | None = None


@dataclass(frozen=True, slots=True)
class SweepTask:
    """Sweep one program of a subject, or one shard of it.

    Args:
        deadline_s: on the monotonic clock, which all processes share; no case is begun after it.
        persistence: kill a server that keeps its data so, instead of all the other faults.
    """

    subject: SubjectSpec
    program: str
    shard: tuple[int, int]
    max_faults: int
    latency_bound_ms: float
    deadline_s: float = math.inf
    persistence: Persistence | None = None


@dataclass(frozen=True, slots=True)
class FuzzTask:
    """Write programs, orders and faults at random, and run them.

    Args:
        seed: of the first batch; same seed, same examples, as far as the time reaches.
        deadline_s: as in SweepTask.
        invariants: go on until each of them has fallen, and no longer; empty goes on.
        examples: replay strings to try first.
    """

    subject: SubjectSpec
    seed: int
    latency_bound_ms: float
    deadline_s: float
    invariants: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PowerLossTask:
    """Run one program without faults, and look at what a power loss leaves at any moment of it."""

    subject: SubjectSpec
    program: str
    latency_bound_ms: float


RUNS_IF_NONDETERMINISTIC = 200
"""Random orders of a program of a subject that does not do the same each time."""


@dataclass(frozen=True, slots=True)
class InterleaveTask:
    """Run every order of one program's clients, within bounds.

    Args:
        max_preemptions: per run; None is no bound.
        prune: leave out orders that can't differ.
        deadline_s: as in SweepTask.
        sampling: random orders instead of every one.
        frontier: where an earlier run was stopped; this one goes on from there.
        max_orders: the simplest ones, if there are more; None is no bound.
    """

    subject: SubjectSpec
    program: str
    max_preemptions: int | None
    max_faults: int
    prune: bool
    latency_bound_ms: float
    deadline_s: float = math.inf
    sampling: Sampling | None = None
    frontier: Frontier | None = None
    max_orders: int | None = None


@dataclass(frozen=True, slots=True)
class HuntTask:
    """Sweep a queue, program by program, until each of the invariants has fallen.

    Args:
        invariants: what is hunted for; empty sweeps everything.
        programs: by name; empty takes all that the subject can run.
        faults: by name, ``none`` for no fault; empty takes all.
        commands: names of the commands to break; empty, or none of them on the wire, breaks all.
        lasting: only what still is so once all is quiet counts.
        suite: ``sweep`` sweeps the programs of one client; ``interleave`` and ``fleet`` run every order of those of
            several, without faults; ``fuzz`` writes its own.
        budget_s: of ``fuzz``, for how long at most.
        seed: of ``fuzz``.
        part: of ``fuzz``; only a find in whose program it takes part counts.
    """

    subject: SubjectSpec
    invariants: tuple[str, ...]
    latency_bound_ms: float
    programs: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    lasting: bool = False
    suite: str = "sweep"
    budget_s: float = math.inf
    seed: int = 0
    part: str = ""


@dataclass(frozen=True, slots=True)
class SourceTask:
    """Ask for the source of a subject's methods."""

    subject: SubjectSpec


@dataclass(frozen=True, slots=True)
class StoryTask:
    """Run one case again and tell its story.

    Args:
        shrinks_for: an invariant that falls in the case; the smallest case in which it falls is told instead.
        shrinks_s: for how long it is made smaller at most.
        runs: how often the case that is told is run; more than once shows whether it does the same each time.
    """

    subject: SubjectSpec
    replay: str
    latency_bound_ms: float
    shrinks_for: str = ""
    shrinks_s: float = SHRINKS_FOR_S
    runs: int = 1


Task = (
    FuzzTask
    | PowerLossTask
    | ProbeTask
    | SweepTask
    | InterleaveTask
    | HuntTask
    | SourceTask
    | StoryTask
)


@dataclass(frozen=True, slots=True)
class Caught:
    """A flaw was caught by an invariant, first in this case."""

    invariant: str
    replay: str
    case_number: int
    seconds: float
    seen: str


@dataclass(frozen=True, slots=True)
class Probed:
    """The subject works; what it has, and which server it was tried on."""

    traits: Traits
    server: str


@dataclass(frozen=True, slots=True)
class ExplorationDone:
    """A sweep came to its end.

    Args:
        ledger: its share of the ledger.
        missing: what the program needs and the subject lacks; then nothing was run.
        stopped: the deadline came first.
        nondeterministic: where two runs without faults differed; empty if the subject does the same each time.
        frontier: where it was stopped, if a later run can go on from there.
        bounded: there were more orders than were to be run.
        not_tried: why the server can't keep its data as the sweep wants it to; then nothing was run.
    """

    ledger: tuple[LedgerRow, ...]
    missing: tuple[str, ...] = ()
    stopped: bool = False
    nondeterministic: str = ""
    frontier: Frontier | None = None
    bounded: bool = False
    not_tried: str = ""


@dataclass(frozen=True, slots=True)
class ExplorationProgress:
    """Where an exploration stands, told now and then, so that little is lost if it is interrupted."""

    frontier: Frontier


@dataclass(slots=True)
class FuzzBatch:
    """A batch of examples has been run.

    Args:
        next_seed: of the batch that comes next.
        sometimes: what must happen now and then for a run to mean something, and how often it did in this batch.
        nondeterministic: replay strings of what was run twice and differed, and where.
        stale: examples of an earlier run that can't be placed any more.
    """

    next_seed: int
    coverage: Coverage = field(default_factory=Coverage)
    sometimes: Counter[str] = field(default_factory=Counter)
    nondeterministic: list[tuple[str, str]] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FuzzDone:
    """The time of a fuzz task was up, or everything hunted for had fallen."""


@dataclass(frozen=True, slots=True)
class PowerLossDone:
    """What every power loss left.

    Args:
        not_tried: why none could be tried; empty if they were.
    """

    left: tuple[PowerLossOutcome, ...]
    not_tried: str = ""


@dataclass(frozen=True, slots=True)
class HuntDone:
    """A hunt came to its end."""

    caught: tuple[Caught, ...]
    cases: int
    invalid: int
    runnable: int


@dataclass(frozen=True, slots=True)
class SourceDone:
    """Method, text, first line; none if the subject's source can't be read."""

    methods: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class StoryTold:
    """A case was run again.

    Args:
        violated_invariants: the invariants that fell.
        unplaced: why the schedule could not be placed; empty if it was.
        invalid_reason: why the case is invalid.
        shape: what must be the same in every replay.
        nondeterministic: where the runs of this very case differed; empty if they did not.
    """

    story: Story
    violated_invariants: tuple[str, ...]
    unplaced: tuple[str, ...]
    invalid_reason: str
    shape: tuple[str, ...]
    nondeterministic: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A task could not be done: whose fault, a sentence, and the trace if it is midpipe's own."""

    kind: str
    message: str
    trace: str = ""


Result = (
    FuzzDone | PowerLossDone | Probed | ExplorationDone | HuntDone | SourceDone | StoryTold | Failed
)
Message = CaseEnded | FuzzBatch | ExplorationProgress | Result
