"""The plan of a soak, drawn from its seed before it begins: how much load, and which faults where. Values and an rng.

A run is divided into segments. Each segment is loaded, drained and checked by itself, on a server that was emptied
before it; so neither the server nor the checker grows with the run, and one segment can be run again alone.

Wire faults are placed by a count of the client's own commands, the others by the number of jobs acknowledged in the
segment. So the plan is the same for the same seed; which command meets a fault also depends on how the operating system
schedules the processes.

A soak of simulated days is divided into segments of eight hours, and its server keeps its data from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from types import MappingProxyType

from midpipe.faultinject.faults.clock import CLOCK_STEP, ELAPSE, SKEW_AHEAD, SKEW_BEHIND
from midpipe.faultinject.faults.failover import FAILOVER
from midpipe.faultinject.net.triggered_proxy import Trigger
from midpipe.faultinject.vocabulary import FaultRef
from midpipe.scenarios.soak.daily_load import HOURS_A_SEGMENT, SEGMENTS_A_DAY, jobs_before

OVERSTAY = "overstay"
KILL, PAUSE, CLIENT_KILL, CRASH, FREEZE = "kill", "pause", "client-kill", "crash", "freeze"
SERVER_FAULTS = (KILL, PAUSE, CLIENT_KILL)
CLOCK_FAULTS = (ELAPSE.name, SKEW_AHEAD.name, SKEW_BEHIND.name, CLOCK_STEP.name)
OF_DAYS = (*CLOCK_FAULTS, FAILOVER.name)
"""Faults that only a soak of simulated days has."""
_SHORTEST_S, _LONGEST_S = 0.05, 0.3
_LATE_S = (0.2, 1.6)
_LEAST_BATCHES = 3
_LEASE_OF_DAYS_S = 300.0


@dataclass(frozen=True, slots=True)
class Chaos:
    """A level of chaos.

    Args:
        wire: wire faults by name, and how many of each are in a batch; batches are shuffled and follow each other.
        commands: mean number of a client's commands between two wire faults; fewer in a segment too small for
            three batches.
        every: server, process and clock faults by name, and the mean number of jobs between two of a kind; a segment
            has at least one of each kind that is possible.
        overstays_every: a worker holds every n-th job for longer than its lease; 0 never.
    """

    name: str
    wire: Mapping[str, int]
    commands: int
    every: Mapping[str, int]
    overstays_every: int = 0

    def __str__(self) -> str:
        if not self.wire and not self.every:
            return f"{self.name}: no faults"
        batch = ", ".join(f"{count} {name}" for name, count in self.wire.items())
        others = ", ".join(
            f"{name} every {jobs:,} jobs"
            for name, jobs in self.every.items()
            if name not in OF_DAYS
        )
        overstays = (
            f"; a worker holds every {self.overstays_every:,}th job for longer than its lease"
            if self.overstays_every
            else ""
        )
        return (
            f"{self.name}: a wire fault every {self.commands:,} commands of a client, in shuffled batches of {batch}; "
            f"{others}{overstays}"
        )


CHAOS: Mapping[str, Chaos] = MappingProxyType(
    {
        chaos.name: chaos
        for chaos in (
            Chaos("none", MappingProxyType({}), 0, MappingProxyType({})),
            Chaos(
                "light",
                MappingProxyType({"cut-before": 1, "lost-reply": 1, "slow": 1}),
                1_000,
                MappingProxyType({CRASH: 20_000, PAUSE: 40_000, ELAPSE.name: 20_000}),
            ),
            Chaos(
                "heavy",
                MappingProxyType(
                    {
                        "cut-before": 3,
                        "torn-middle": 2,
                        "lost-reply": 5,
                        "lost-reply-fin": 2,
                        "slow": 2,
                        "slice": 1,
                        "refuse": 1,
                        "late": 2,
                        "stall": 1,
                        "black-hole": 1,
                    }
                ),
                120,
                MappingProxyType(
                    {
                        **dict.fromkeys(SERVER_FAULTS, 8_000),
                        CRASH: 4_000,
                        FREEZE: 4_000,
                        **dict.fromkeys(OF_DAYS, 4_000),
                    }
                ),
                2_000,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """The plan of a soak.

    Args:
        jobs: number of jobs, in all.
        clients, workers: number of processes that enqueue, and that take jobs.
        segment_jobs: number of jobs in one segment, at most.
        time_budget_s: after so long no segment begins and no job is enqueued; None: until all jobs are done.
        only_segment: run only this one, counted from 1; 0 runs all.
        time_out_ms: the clients' socket time-out.
        lease_s: the lease with which workers claim.
        days: how many days are simulated; 0: none, and the load never pauses.
    """

    jobs: int
    clients: int
    workers: int
    chaos: Chaos
    seed: int
    segment_jobs: int = 20_000
    time_budget_s: float | None = None
    only_segment: int = 0
    time_out_ms: int = 500
    lease_s: float = 2.0
    days: int = 0

    @property
    def segment_count(self) -> int:
        """How many segments all jobs take."""
        return self.days * SEGMENTS_A_DAY or -(-self.jobs // self.segment_jobs)

    @property
    def segments(self) -> tuple[int, ...]:
        """The numbers of the segments to run, from 1."""
        return (
            (self.only_segment,) if self.only_segment else tuple(range(1, self.segment_count + 1))
        )

    def jobs_of(self, segment: int) -> range:
        """Return the numbers of a segment's jobs."""
        if self.days:
            first, after = (segment - 1) * HOURS_A_SEGMENT, segment * HOURS_A_SEGMENT
            return range(
                jobs_before(first, self.jobs, self.days), jobs_before(after, self.jobs, self.days)
            )
        return range((segment - 1) * self.segment_jobs, min(segment * self.segment_jobs, self.jobs))


def over_days(plan: SoakPlan, days: int) -> SoakPlan:
    """Return the plan with its jobs spread over simulated days, and with leases of their usual length."""
    segment_jobs = max(1, plan.jobs // (days * SEGMENTS_A_DAY))
    return replace(plan, days=days, segment_jobs=segment_jobs, lease_s=_LEASE_OF_DAYS_S)


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A server or process fault.

    Args:
        due_jobs: it is due once so many jobs of the segment are acknowledged.
        client: which process it hits, as a number modulo the number of candidates; unused for server faults.
    """

    due_jobs: int
    fault: str
    client: int


def wire_triggers(plan: SoakPlan, segment: int, client: int) -> Iterator[Trigger]:
    """Yield where a client's wire faults of a segment go, without end.

    Args:
        client: its number. All clients take in turn from one sequence of shuffled batches, so that every kind of fault
            comes early.
    """
    chaos = plan.chaos
    if not chaos.wire:
        return
    # Seeded with a string: unlike a tuple's, its hash is the same in every process.
    shared, own = Random(f"{plan.seed}/{segment}"), Random(f"{plan.seed}/{segment}/{client}")
    batch = [name for name, times in chaos.wire.items() for _ in range(times)]
    # A job takes at least two commands. A segment of a day is too small for batches of its own.
    jobs = plan.jobs if plan.days else len(plan.jobs_of(segment))
    fitting = 2 * jobs // (_LEAST_BATCHES * len(batch))
    commands = max(1, min(chaos.commands, fitting))
    shuffled: list[str] = []
    batches = 0
    for number in count(client, plan.clients + plan.workers):
        while batches <= number // len(batch):
            shuffled = shared.sample(batch, len(batch))
            batches += 1
        name = shuffled[number % len(batch)]
        low, high = _LATE_S if name == "late" else (_SHORTEST_S, _LONGEST_S)
        after = min(int(own.expovariate(1 / commands)), 8 * commands)
        yield Trigger(after, FaultRef(name), own.uniform(low, high))


def planned_faults(
    plan: SoakPlan, segment: int, kinds: tuple[str, ...]
) -> tuple[PlannedFault, ...]:
    """Return a segment's server and process faults, in the order in which they are due.

    Args:
        kinds: those that are possible here; midpipe does not kill a server that it has not started.
    """
    jobs = len(plan.jobs_of(segment))
    found = []
    for kind, every in plan.chaos.every.items():
        if kind not in kinds:
            continue
        rng = Random(f"{plan.seed}/{segment}/{kind}")
        times = max(1, round(jobs / every))
        # One in each of so many equal parts, so that they are spread over the segment.
        for number in range(times):
            due = int((number + rng.uniform(0.1, 0.9)) * jobs / times)
            found.append(PlannedFault(due, kind, rng.randrange(2**16)))
    return tuple(sorted(found, key=lambda fault: (fault.due_jobs, fault.fault)))


def kinds_of(
    chaos: Chaos, *, own_server: bool, leases: bool, is_stepped: bool = False
) -> tuple[str, ...]:
    """Return every kind of fault that a soak plans, by name.

    Args:
        own_server: midpipe has started the server, so it may kill and stop it.
        leases: the subject's workers hold jobs under a lease.
        is_stepped: midpipe moves the clock.
    """
    impossible = SERVER_FAULTS * (not own_server) + OF_DAYS * (not is_stepped)
    of_others = [kind for kind in chaos.every if kind not in impossible]
    overstays = [OVERSTAY] if chaos.overstays_every and leases else []
    return (*chaos.wire, *of_others, *overstays)
