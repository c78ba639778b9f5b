"""The options of a gate run, and the events that it emits while it runs. Plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.fault_selection import ANYWHERE, Aim
from midpipe.scenarios.invariants.selection import Selection
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.messages import CaseEnded, Sampling
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.progress import ProgressRow
from midpipe.scenarios.model.shard import Shard
from midpipe.scenarios.model.spec import SubjectSpec

PARTS = ("sweep", "interleave", "fleet", "durability", "fuzz", "selfcheck", "review")
EXPLORING = frozenset({"sweep", "interleave", "fleet", "durability", "fuzz"})
"""The parts that run the subject; the others run midpipe's own queues."""


@dataclass(frozen=True, slots=True)
class Options:
    """Which subject to judge, on which server, and how thoroughly.

    Args:
        jobs: number of workers, each with a server of its own.
        max_faults: faults per case in the sweep.
        max_preemptions: preemptions per order of several clients; None is no bound.
        max_orders: orders of each program of several clients, the simplest ones first; None is no bound.
        max_interleaved_faults: faults per order of several clients.
        max_fleet_faults: faults per order of a mixed fleet.
        sampling: run random orders of several clients instead of every order.
        prune: skip orders that are equivalent to one that is run.
        latency_bound_ms: the bound on every call of a subject that declares none itself.
        persistence: the ways of keeping data under which the server is killed; those it does not support are skipped.
        seed: seed of the fuzzing.
        fuzz_s: time for fuzzing, in seconds; includes shrinking if ``fuzz`` is the only part.
        examples: directory of the failing examples of earlier fuzz runs, which are run first; None keeps none.
        corpus: where fuzzing workers share what they find; empty shares nothing.
        checkpoint: file that an interrupted fuzz run is resumed from; None keeps none.
        resumes: resume the run in the checkpoint.
        selfcheck_by: how selfcheck looks for each planted flaw: by ``programs``, by ``fuzz`` or by both.
        flaw_budget_s: longest time to fuzz one flawed queue, in seconds.
        shard: the part of the run that is for this machine.
        parts: which of PARTS to run, in this order.
        programs: names of the programs to run; empty is all.
        judged_by: the invariants that count for the subject.
        aim: which faults the sweep and the orders place, and at which commands.
        time_budget_s: no case of the sweep is begun after that, and the verdict is partial then; None is no limit.
        fail_fast: run the subject's parts first and stop at its first finding of this severity or worse; None runs
            everything.
    """

    subject: SubjectSpec = field(default_factory=SubjectSpec)
    server: ServerSpec = field(default_factory=ServerSpec)
    jobs: int = 2
    max_faults: int = 1
    max_preemptions: int | None = 2
    max_orders: int | None = None
    max_interleaved_faults: int = 1
    max_fleet_faults: int = 0
    sampling: Sampling | None = None
    prune: bool = True
    latency_bound_ms: float = DEFAULT_LATENCY_BOUND_MS
    persistence: tuple[Persistence, ...] = (
        Persistence.AOF_ALWAYS,
        Persistence.REPLICA,
        Persistence.REPLICA_BEHIND,
    )
    seed: int = 0
    fuzz_s: float = 5.0
    examples: Path | None = None
    corpus: str = ""
    checkpoint: Path | None = None
    resumes: bool = False
    selfcheck_by: tuple[str, ...] = ("programs",)
    flaw_budget_s: float = 120.0
    shard: Shard = field(default_factory=Shard)
    parts: tuple[str, ...] = PARTS
    programs: tuple[str, ...] = ()
    judged_by: Selection = field(default_factory=Selection)
    aim: Aim = ANYWHERE
    time_budget_s: float | None = None
    fail_fast: Severity | None = None

    @property
    def again(self) -> str:
        """The options that name the subject, and what else a replay needs, quoted for a shell."""
        return " ".join(filter(None, (self.subject.options, self.judged_by.options)))

    @property
    def words_with_secrets(self) -> tuple[str, ...]:
        """The server's URL, and the subjects' environment as ``NAME=value``, in which there may be secrets."""
        subjects = (self.subject, *([self.subject.beside] if self.subject.beside else []))
        variables = (f"{name}={value}" for each in subjects for name, value in each.environment)
        return (self.server.where or "", *variables)


@dataclass(frozen=True, slots=True)
class PartBegan:
    """A part of the gate has started, with this number of tasks."""

    part: str
    tasks: int


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """One task of the part has ended; ``what`` names it."""

    part: str
    what: str


@dataclass(frozen=True, slots=True)
class LossAllowed:
    """A case has ended in a loss that is not the subject's: the server's persistence does not promise to keep all."""

    case: CaseEnded


Event = PartBegan | TaskEnded | CaseEnded | LossAllowed | ProgressRow
Listener = Callable[[Event], None]
