"""The Hypothesis state machine: its rules write a program for several clients, with orders and faults; then it is run.

The rules only plan, and the engine runs the plan as one case, judged by the same invariants as every other case. So an
example is a replay line, it is deterministic, and it shrinks. The model is what the rules need to know to plan
something that means something: who is in the plan, and who has claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings, target
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from faultinject.vocabulary import FaultRef
from scenarios.programs.written import WrittenStep, written

CLIENTS = ("A", "B", "C")
_LEASES = frozenset(("enqueue", "claim", "claim-ended", "complete"))
_WORK = frozenset(("enqueue", "claim", "claim-ended", "heartbeat", "complete", "fail"))
_PRODUCTION = frozenset(("enqueue", "update", "get", "list", "backfill"))
THEMES = (_LEASES, _WORK, _PRODUCTION, _WORK | _PRODUCTION)
"""Few kinds of calls in one example meet more often than all kinds (Groce et al., "Swarm Testing", ISSTA 2012)."""
REQUESTS = ("", "r-1", "r-2")
STATUSES = ("running", "completed", "failed")
PLAIN_FAULTS = ("cut-before", "lost-reply")
MOST_CALLS = 8
EXAMPLES_IN_A_BATCH = 25
STEPS_IN_AN_EXAMPLE = 14


@dataclass(frozen=True, slots=True)
class Plan:
    """One example: a program, and the numbers that decide its run.

    Args:
        faults: at which point of decision, from 0, which fault.
    """

    steps: tuple[WrittenStep, ...]
    picks: tuple[int, ...]
    faults: Mapping[int, FaultRef]

    @property
    def program(self) -> str:
        return written(self.steps)


Run = Callable[[Plan], float]
"""Runs a plan; returns how much it covered, for the search to aim at.

That an invariant fell is no failure to Hypothesis: it would end the batch there, and what a flaw hides behind a
plainer one would never be reached.
"""


def one_batch(
    run: Run, verbs: frozenset[str], versions: tuple[str, ...], faults: tuple[str, ...], number: int
) -> None:
    """Run a batch of examples.

    Args:
        verbs: of written programs, those that the subject can do.
        versions: by name, those that clients may be rolled to.
        faults: by name, those that may be planned.
        number: the batch's seed; same seed, same examples.
    """
    machine = _machine(run, verbs, versions, faults)
    wanted = settings(
        max_examples=EXAMPLES_IN_A_BATCH,
        stateful_step_count=STEPS_IN_AN_EXAMPLE,
        database=None,
        deadline=None,
        derandomize=False,
        # What was found is shrunk as a schedule, within the time that is left; Hypothesis knows no such limit.
        phases=(Phase.generate, Phase.target),
        verbosity=Verbosity.quiet,
        print_blob=False,
        suppress_health_check=tuple(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(machine), settings=wanted)


def _a_fault(names: tuple[str, ...]) -> st.SearchStrategy[FaultRef]:
    """Return what draws a fault: half of the time one of those that say whether the command ran, and nothing else."""
    plain = tuple(name for name in PLAIN_FAULTS if name in names)
    return (st.sampled_from(plain or names) | st.sampled_from(names)).map(FaultRef)


def _machine(
    run: Run, verbs: frozenset[str], versions: tuple[str, ...], faults: tuple[str, ...]
) -> type[RuleBasedStateMachine]:
    """Return the machine for a subject: only what it can do is planned."""
    clients, jobs = st.integers(0, 2), st.integers(0, 2)

    class Planner(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.steps: list[WrittenStep] = []
            self.version: dict[str, str] = {}
            self.claimed: set[int] = set()
            self.theme, self.clients, self.jobs = THEMES[-1], 1, 1
            self.faults: Mapping[int, FaultRef] = {}
            self.picks: tuple[int, ...] = ()

        def add(self, number: int, verb: str, *words: str) -> None:
            if verb in verbs & self.theme and len(self.steps) < MOST_CALLS:
                client = CLIENTS[number % self.clients]
                step = WrittenStep(client, verb, words, self.version.get(client, ""))
                self.steps.append(step)
                if verb in ("claim", "claim-ended"):
                    self.claimed.add(number % self.clients)

        def give_out_twice(self, job: str) -> None:
            self.add(0, "enqueue", job)
            self.add(0, "claim-ended")
            self.add(1, "claim")

        def job(self, number: int) -> str:
            return f"job-{number % self.jobs + 1}"

        @initialize(
            picks=st.lists(st.integers(0, 2), min_size=4, max_size=12),
            theme=st.sampled_from(THEMES),
            clients=st.integers(1, 3),
            jobs=st.integers(1, 3),
            faults=st.dictionaries(st.integers(0, 11), _a_fault(faults), max_size=2),
        )
        def begin(
            self,
            picks: list[int],
            theme: frozenset[str],
            clients: int,
            jobs: int,
            faults: Mapping[int, FaultRef],
        ) -> None:
            self.picks, self.faults, self.theme = tuple(picks), faults, theme
            self.clients, self.jobs = clients, jobs
            if theme is _LEASES:
                self.give_out_twice("job-1")

        @rule(client=clients, job=jobs, request=st.sampled_from(REQUESTS))
        def enqueue(self, client: int, job: int, request: str) -> None:
            self.add(client, "enqueue", self.job(job), *([request] if request else []))

        @rule(client=clients, job=jobs, status=st.sampled_from(STATUSES))
        def update(self, client: int, job: int, status: str) -> None:
            self.add(client, "update", self.job(job), status)

        @rule(client=clients, job=jobs)
        def get(self, client: int, job: int) -> None:
            self.add(client, "get", self.job(job))

        @rule(client=clients, verb=st.sampled_from(("list", "backfill")))
        def look_over_all(self, client: int, verb: str) -> None:
            self.add(client, verb)

        @rule(client=clients, verb=st.sampled_from(("claim", "claim-ended")))
        def claim(self, client: int, verb: str) -> None:
            self.add(client, verb)

        @precondition(lambda self: bool(self.claimed))
        @rule(data=st.data(), verb=st.sampled_from(("complete", "heartbeat", "fail")))
        def use_the_lease(self, data: st.DataObject, verb: str) -> None:
            self.add(data.draw(st.sampled_from(sorted(self.claimed))), verb)

        @precondition(lambda self: bool(versions))
        @rule(client=clients, version=st.sampled_from(versions or ("",)))
        def roll(self, client: int, version: str) -> None:
            self.version[CLIENTS[client % self.clients]] = version

        def teardown(self) -> None:
            if not self.steps:
                return
            plan = Plan(tuple(self.steps), self.picks, self.faults)
            target(run(plan), label="coverage")

    return Planner
