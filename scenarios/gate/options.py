"""What is asked of the gate, and what it tells while it runs. Plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.explore import DEFAULT_LATENCY_BOUND_MS, CaseEnded
from midpipe.scenarios.explore.tasks import Sampling
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Severity

PARTS = ("selfcheck", "review", "sweep", "interleave", "fleet", "durability", "fuzz")


@dataclass(frozen=True, slots=True)
class Options:
    """What to judge, against what, how deep.

    Args:
        jobs: workers, each with its own server.
        max_faults: faults per case in the sweep.
        max_preemptions: per order of several clients; None is no bound.
        max_orders: of each program of several clients, the simplest ones; None is no bound.
        max_interleaved_faults: faults per order of several clients.
        max_fleet_faults: faults per order of a mixed fleet.
        sampling: random orders of several clients instead of every one.
        prune: leave out orders that can't differ.
        latency_bound_ms: for a subject that declares no bound of its own.
        persistence: how the server keeps its data when it is killed; a way that it can't have is left out.
        seed: of the fuzzing.
        fuzz_s: how long the fuzzing runs, in seconds; making the finds small is part of it if nothing else is run.
        examples: directory of what fuzzing has found, tried first; None keeps nothing.
        checkpoint: file from which an interrupted fuzz run goes on; None keeps none.
        resumes: go on with the run that the checkpoint is of.
        selfcheck_by: how the flawed queues are hunted: ``programs``, ``fuzz`` or both.
        flaw_budget_s: how long each of them is fuzzed at most.
        parts: which of PARTS to run, in that order.
        programs: names of the programs to run; empty takes all.
        time_budget_s: no case of the sweep is begun after that, and the verdict is partial then; None is no limit.
        fail_fast: the subject's parts come first, and its first finding that is so severe, or worse, ends them; None
            goes on.
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
    checkpoint: Path | None = None
    resumes: bool = False
    selfcheck_by: tuple[str, ...] = ("programs",)
    flaw_budget_s: float = 120.0
    parts: tuple[str, ...] = PARTS
    programs: tuple[str, ...] = ()
    time_budget_s: float | None = None
    fail_fast: Severity | None = None


@dataclass(frozen=True, slots=True)
class PartBegan:
    """A part of the gate began; it has so many tasks."""

    part: str
    tasks: int


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """One task of the part came to its end; ``what`` names it."""

    part: str
    what: str


Event = PartBegan | TaskEnded | CaseEnded
Listener = Callable[[Event], None]
