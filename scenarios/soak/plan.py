"""What a soak does, drawn from its seed before it begins: how much load, and which faults where. Values and dice.

A run is cut into legs. Each leg is soaked, drained until all is quiet, and checked alone, on a server that was emptied
before it; so neither the server nor the checker grows with the run, and one leg can be run again by itself.

Wire faults are placed by the client's own count of commands, the others by the number of jobs acknowledged in the leg.
So the plan is the same for a seed; which command meets a fault also depends on how the processes take turns, which
nobody controls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random
from types import MappingProxyType

from midpipe.faultinject.net.triggered_proxy import Trigger
from midpipe.faultinject.vocabulary import FaultRef

OVERSTAY = "overstay"
KILL, PAUSE, CLIENT_KILL, CRASH, FREEZE = "kill", "pause", "client-kill", "crash", "freeze"
OF_THE_SERVER = (KILL, PAUSE, CLIENT_KILL)
_SHORTEST_S, _LONGEST_S = 0.05, 0.3
_LATE_S = (0.2, 1.6)
_DECKS = 3


@dataclass(frozen=True, slots=True)
class Chaos:
    """How much goes wrong.

    Args:
        wire: faults at commands, by name; how many of each there are in a deck that is dealt again and again.
        commands: of one client between two of them, on average; fewer in a leg too small for three decks.
        every: faults of the server and of processes, by name, and how many jobs there are between two of a kind on
            average; there is at least one in a leg.
        overstays_every: a worker takes longer over every so-many-th job than its lease; 0 never.
    """

    name: str
    wire: Mapping[str, int]
    commands: int
    every: Mapping[str, int]
    overstays_every: int = 0

    def __str__(self) -> str:
        if not self.wire and not self.every:
            return f"{self.name}: no faults"
        deck = ", ".join(f"{count} {name}" for name, count in self.wire.items())
        others = ", ".join(f"{name} every {jobs:,} jobs" for name, jobs in self.every.items())
        overstays = (
            f"; a worker overstays its lease at every {self.overstays_every:,}th job"
            if self.overstays_every
            else ""
        )
        return (
            f"{self.name}: a fault after {self.commands:,} commands of a client, from a deck of {deck}; "
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
                MappingProxyType({CRASH: 20_000, PAUSE: 40_000}),
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
                    {KILL: 8_000, PAUSE: 8_000, CLIENT_KILL: 8_000, CRASH: 4_000, FREEZE: 4_000}
                ),
                2_000,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """A soak.

    Args:
        jobs: in all.
        leg_jobs: in one leg, at most.
        time_budget_s: no leg begins, and no job is enqueued, after that; None: until all jobs are done.
        only_leg: run this one only, from 1; 0 runs all.
        time_out_ms: the clients' socket time-out.
        lease_s: how long claims are made for.
    """

    jobs: int
    clients: int
    workers: int
    chaos: Chaos
    seed: int
    leg_jobs: int = 20_000
    time_budget_s: float | None = None
    only_leg: int = 0
    time_out_ms: int = 500
    lease_s: float = 2.0

    @property
    def legs(self) -> tuple[int, ...]:
        """The legs' numbers, from 1."""
        count = -(-self.jobs // self.leg_jobs)
        return (self.only_leg,) if self.only_leg else tuple(range(1, count + 1))

    def jobs_of(self, leg: int) -> range:
        """Return the numbers of a leg's jobs."""
        return range((leg - 1) * self.leg_jobs, min(leg * self.leg_jobs, self.jobs))


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault of the server or of a process: due when so many jobs of the leg are acknowledged.

    Args:
        client: which process, by its number among those that it may hit; of the server's faults it means nothing.
    """

    due_jobs: int
    fault: str
    client: int


def spots(plan: SoakPlan, leg: int, client: int) -> Iterator[Trigger]:
    """Yield where a client's wire faults of a leg go, without end.

    Args:
        client: its number. All draw from one row of shuffled decks, in turn, so that every kind is dealt early.
    """
    chaos = plan.chaos
    if not chaos.wire:
        return
    # A word, not a tuple: Random takes only what hashes alike in every process.
    shared, own = Random(f"{plan.seed}/{leg}"), Random(f"{plan.seed}/{leg}/{client}")
    deck = [name for name, held in chaos.wire.items() for _ in range(held)]
    # A job takes two commands at least.
    commands = max(1, min(chaos.commands, 2 * len(plan.jobs_of(leg)) // (_DECKS * len(deck))))
    cards: list[str] = []
    decks = 0
    for number in count(client, plan.clients + plan.workers):
        while decks <= number // len(deck):
            cards = shared.sample(deck, len(deck))
            decks += 1
        name = cards[number % len(deck)]
        low, high = _LATE_S if name == "late" else (_SHORTEST_S, _LONGEST_S)
        after = min(int(own.expovariate(1 / commands)), 8 * commands)
        yield Trigger(after, FaultRef(name), own.uniform(low, high))


def planned(plan: SoakPlan, leg: int, kinds: tuple[str, ...]) -> tuple[Planned, ...]:
    """Return a leg's faults of the server and of processes, in order.

    Args:
        kinds: those that can happen here; a server that is somebody else's is not killed.
    """
    jobs = len(plan.jobs_of(leg))
    found = []
    for kind, every in plan.chaos.every.items():
        if kind not in kinds:
            continue
        rng = Random(f"{plan.seed}/{leg}/{kind}")
        times = max(1, round(jobs / every))
        # One in each stretch, so that they are spread over the leg.
        for number in range(times):
            due = int((number + rng.uniform(0.1, 0.9)) * jobs / times)
            found.append(Planned(due, kind, rng.randrange(2**16)))
    return tuple(sorted(found, key=lambda fault: (fault.due_jobs, fault.fault)))


def kinds_of(chaos: Chaos, *, own_server: bool, leases: bool) -> tuple[str, ...]:
    """Return every kind of fault that a soak plans, by name.

    Args:
        own_server: the server is midpipe's to kill and to stop.
        leases: the subject's workers hold jobs under a lease.
    """
    of_processes = [kind for kind in chaos.every if own_server or kind not in OF_THE_SERVER]
    overstays = [OVERSTAY] if chaos.overstays_every and leases else []
    return (*chaos.wire, *of_processes, *overstays)
