"""The Hypothesis state machine: its rules write a program for several clients, with orders and faults; then it is run.

The rules only plan, and the engine runs the plan as one case, judged by the same invariants as every other case. So an
example is a replay line, it is deterministic, and it shrinks. The model is what the rules need to know to plan
something that means something: who has claimed, which jobs and requests there are, which version a client runs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
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

from midpipe.faultinject.decide.drawn import FaultAt
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.vocabulary import FaultRef
from midpipe.scenarios.fuzz.space import FuzzSpace
from midpipe.scenarios.programs.single import MALFORMED, OTHER_WORKSPACE
from midpipe.scenarios.programs.themes import CLAIMS, CROSSINGS, Theme
from midpipe.scenarios.programs.written import STARTS, WrittenStep, written

CLIENTS = ("A", "B", "C")
REQUESTS = ("", "r-1", "r-2")
STATUSES = ("running", "completed", "failed")
USES_OF_A_LEASE = ("complete", "complete", "heartbeat", "heartbeat-ended", "fail")
MOST_CALLS = 8
MOST_FAULTS = 2
LAST_COMMAND = 6
EXAMPLES_IN_A_BATCH = 40
STEPS_IN_AN_EXAMPLE = 9
CLIMBS_ONE_IN = 4
_REPRODUCES = re.compile(r"@reproduce_failure\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Plan:
    """One example: a program, and the numbers that decide its run."""

    steps: tuple[WrittenStep, ...]
    picks: tuple[int, ...]
    faults: tuple[FaultAt, ...]

    @property
    def program(self) -> str:
        return written(self.steps)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a plan came to.

    Args:
        novelty: how much in it was new, for the search to aim at.
        fell: what fell and had not fallen before, as a name; empty if nothing. It is a failure to Hypothesis, which
            ends the batch; what fell before is none, or what a flaw hides behind a plainer one would never be reached.
    """

    novelty: float
    fell: str = ""


Run = Callable[[Plan], Ran]
"""Runs a plan. Asked again with the same plan it must say the same."""


class FellError(AssertionError):
    """What an example shows does not hold."""


def one_batch(run: Run, space: FuzzSpace, number: int) -> str:
    """Run a batch of examples; every fourth goes on from the examples that met the most that was new.

    Args:
        number: the batch's seed; same seed, same examples.

    Returns:
        Hypothesis' own line to reproduce what fell, ``@reproduce_failure(…)``; empty if nothing did.
    """
    climbs = () if number % CLIMBS_ONE_IN else (Phase.target,)
    wanted = settings(
        max_examples=EXAMPLES_IN_A_BATCH,
        stateful_step_count=STEPS_IN_AN_EXAMPLE,
        # Kept are replay lines: they outlive a version of Hypothesis, and of the machine.
        database=None,
        deadline=None,
        derandomize=False,
        # What was found is shrunk as a schedule, within the time that is left; Hypothesis knows no such limit.
        phases=(Phase.generate, *climbs),
        verbosity=Verbosity.quiet,
        print_blob=True,
        suppress_health_check=tuple(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(machine(run, space)), settings=wanted)
    except FellError as error:
        told = " ".join(getattr(error, "__notes__", ()))
        found = _REPRODUCES.search(told)
        return found[0] if found else ""
    return ""


@dataclass(frozen=True, slots=True)
class _Break:
    """A fault as it is drawn: numbers, taken modulo what there is once the program is written."""

    call: int
    command: int
    attempt: int
    fault: int
    aim: int


_BREAKS = st.builds(
    _Break,
    call=st.integers(0, MOST_CALLS - 1),
    # 0 is the last one, which is what most calls are about.
    command=st.sampled_from((0, 0, 0, 1, 2, 3, *range(1, LAST_COMMAND + 1))),
    attempt=st.sampled_from((1, 1, 1, 2)),
    fault=st.integers(0, 31),
    aim=st.sampled_from((0, 0, 0, 1)),
)


# A preemption or two at any moment, the rest in the order written; or another client every so often.
_FEW_PICKS = st.dictionaries(
    st.sampled_from((0, 1, 2, 3, 4, 5, *range(11))), st.integers(1, 2), min_size=1, max_size=2
).map(lambda places: [places.get(number, 0) for number in range(1 + max(places))])
_MANY_PICKS = st.lists(st.sampled_from((0, 0, 1, 2)), max_size=16)


def machine(run: Run, space: FuzzSpace) -> type[RuleBasedStateMachine]:
    """Return the machine for a subject: only what it can do is planned."""
    clients, jobs = st.integers(0, 2), st.integers(0, 2)
    themes = space.themes
    while_there_is_room = precondition(lambda self: len(self.steps) < self.most)

    class Planner(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.steps: list[WrittenStep] = []
            self.version: dict[str, str] = {}
            self.claimed: set[int] = set()
            self.theme, self.clients, self.jobs, self.most = themes[0], 1, 1, MOST_CALLS
            self.workspaces = False
            self.kind: tuple[str, ...] = ()
            self.breaks: list[_Break] = []
            self.picks: tuple[int, ...] = ()

        # --- the model ---------------------------------------------------------------------------

        def add(self, number: int, verb: str, *words: str) -> None:
            if not self.may(verb):
                return
            client = CLIENTS[number % self.clients]
            self.steps.append(WrittenStep(client, verb, words, self.version.get(client, "")))
            if verb in CLAIMS:
                self.claimed.add(number % self.clients)

        def may(self, *verbs: str) -> bool:
            return bool(set(verbs) & space.verbs & self.theme.verbs)

        def job(self, number: int) -> str:
            """Return one of the example's jobs; with two workspaces, every second is the other one's."""
            if self.workspaces and number % 2:
                return f"{OTHER_WORKSPACE}/job-{number % self.jobs + 7}"
            return f"job-{number % self.jobs + 1}"

        def verbs_planned(self) -> set[str]:
            return {step.verb for step in self.steps}

        def asked(self) -> list[WrittenStep]:
            return [step for step in self.steps if step.verb == "enqueue"]

        # --- the rules ---------------------------------------------------------------------------

        @initialize(
            picks=_FEW_PICKS | _MANY_PICKS,
            theme=st.sampled_from(themes),
            clients=st.sampled_from((2, 2, 3, 1)),
            jobs=st.integers(1, 3),
            most=st.sampled_from((2, 3, 4, 5, 6, MOST_CALLS)),
            workspaces=st.sampled_from((False, False, True)),
            request=st.sampled_from(REQUESTS),
            schema=st.sampled_from(space.starts or STARTS),
            crossing=st.sampled_from(CROSSINGS),
            first_claim=st.sampled_from(CLAIMS),
            finishing=st.sampled_from(((), (), (0, 1), (1, 0))),
            kind=st.sampled_from(space.kinds_of_faults),
            breaks=st.lists(_BREAKS, min_size=MOST_FAULTS, max_size=MOST_FAULTS),
            faults=st.sampled_from((1, 1, 2, 0)),
        )
        def begin(
            self,
            picks: list[int],
            theme: Theme,
            clients: int,
            jobs: int,
            most: int,
            workspaces: bool,
            request: str,
            schema: str,
            crossing: tuple[tuple[int, tuple[str, ...]], ...],
            first_claim: str,
            finishing: tuple[int, ...],
            kind: tuple[str, ...],
            breaks: list[_Break],
            faults: int,
        ) -> None:
            self.picks, self.theme = tuple(picks), theme
            self.kind = tuple(name for name in theme.faults if name in space.faults) or kind
            self.breaks = breaks[:faults]
            self.clients, self.jobs, self.most = clients, jobs, most
            self.workspaces = workspaces and theme.begins in ("", "laid")
            if theme.has_versions and space.meeting:
                self.clients = min(clients, 2)
                self.version = {
                    client: space.meeting[number % len(space.meeting)]
                    for number, client in enumerate(CLIENTS)
                }
            if theme.begins == "laid":
                # What only the old schema holds must have been backfilled before anybody reads the new one only.
                laid = "new" if "new-only" in space.meeting else schema
                self.steps.append(WrittenStep("", laid, ("job-1",)))
                for number, (verb, *words) in crossing:
                    self.add(number, verb, *words)
            else:
                self.add(0, "enqueue", "job-1", *([request] if request else []))
            if theme.begins == "claimed":
                self.add(0, first_claim)
            if theme.begins == "overtaken":
                self.most = max(most, 4)
                self.add(0, "update", "job-1", "running")
                self.add(0, "update", "job-1", "completed")
            if theme.begins == "race":
                self.clients, self.most = max(clients, 2), max(most, 4)
                self.add(0, "enqueue", "job-2")
                self.add(0, "claim")
                self.add(1, "claim")
            if theme.begins == "twice":
                self.clients, self.most = max(clients, 2), max(most, 4)
                self.add(0, first_claim)
                if finishing[:1] == (0,):
                    self.add(0, "complete")
                self.add(1, "claim")
                if not finishing:
                    self.add(2 if clients > 2 else 0, "claim")
                for number in finishing[-1:] if finishing[:1] == (0,) else finishing:
                    self.add(number, "complete")

        @while_there_is_room
        @precondition(lambda self: self.may("enqueue"))
        @rule(
            client=clients,
            job=jobs,
            request=st.sampled_from(REQUESTS),
            verb=st.sampled_from(("enqueue", "enqueue", "enqueue-once", "enqueue-anew")),
        )
        def enqueue(self, client: int, job: int, request: str, verb: str) -> None:
            asked = "r-1" if verb == "enqueue-anew" and not request else request
            self.add(client, verb, self.job(job), *([asked] if asked else []))

        @while_there_is_room
        @precondition(lambda self: bool(self.asked()))
        @rule(data=st.data(), client=clients, job=jobs, renamed=st.booleans())
        def ask_again(self, data: st.DataObject, client: int, job: int, renamed: bool) -> None:
            """Another client, or the same one started again, makes a request that was made before."""
            words = data.draw(st.sampled_from(self.asked())).words
            self.add(client, "enqueue", *((self.job(job), *words[1:]) if renamed else words))

        @while_there_is_room
        @precondition(lambda self: self.may("enqueue-once"))
        @rule(client=clients, other_first=st.booleans())
        def ask_for_one_job_as_two(self, client: int, other_first: bool) -> None:
            """Two workspaces ask for a job of the same id; whichever comes second is refused, and does not insist."""
            asked = ("job-9", f"{OTHER_WORKSPACE}/job-9")
            for number, job in enumerate(reversed(asked) if other_first else asked):
                self.add(client + number, "enqueue-once", job)

        @while_there_is_room
        @precondition(lambda self: self.may("update"))
        @rule(
            client=clients,
            job=jobs,
            status=st.sampled_from(STATUSES),
            verb=st.sampled_from(("update", "update", "update-once")),
        )
        def update(self, client: int, job: int, status: str, verb: str) -> None:
            self.add(client, verb, self.job(job), status)

        @while_there_is_room
        @precondition(lambda self: self.may("get"))
        @rule(client=clients, job=jobs, as_other=st.sampled_from((False, False, True)))
        def get(self, client: int, job: int, as_other: bool) -> None:
            name = self.job(job)
            reads = f"{OTHER_WORKSPACE}/{name}" if as_other and "/" not in name else name
            self.add(client, "get", reads)

        @while_there_is_room
        @precondition(lambda self: self.may("list"))
        @rule(client=clients, as_other=st.sampled_from((False, False, True)))
        def list_jobs(self, client: int, as_other: bool) -> None:
            self.add(client, "list", *([OTHER_WORKSPACE] if as_other else []))

        @while_there_is_room
        @precondition(lambda self: self.may("backfill", "backfill-step"))
        @rule(client=clients, job=jobs, whole=st.booleans())
        def backfill(self, client: int, job: int, whole: bool) -> None:
            if whole:
                self.add(client, "backfill")
            else:
                self.add(client, "backfill-step", f"job-{job % self.jobs + 1}")

        @while_there_is_room
        @precondition(lambda self: bool({"backfill", "backfill-step"} & self.verbs_planned()))
        @rule(client=clients)
        def clean_up(self, client: int) -> None:
            self.add(client, "cleanup")

        @while_there_is_room
        @precondition(lambda self: self.may(*CLAIMS))
        @rule(client=clients, verb=st.sampled_from(CLAIMS))
        def claim(self, client: int, verb: str) -> None:
            self.add(client, verb)

        @while_there_is_room
        @precondition(lambda self: bool(self.claimed))
        @rule(data=st.data(), verb=st.sampled_from(USES_OF_A_LEASE))
        def use_the_lease(self, data: st.DataObject, verb: str) -> None:
            self.add(data.draw(st.sampled_from(sorted(self.claimed))), verb)

        @while_there_is_room
        @precondition(lambda self: bool(self.claimed))
        @rule(data=st.data(), verb=st.sampled_from(CLAIMS), notices=st.booleans())
        def take_over(self, data: st.DataObject, verb: str, notices: bool) -> None:
            """A worker's lease ends, and another one claims and completes; the first may not have noticed."""
            holder = data.draw(st.sampled_from(sorted(self.claimed)))
            self.add(holder, "heartbeat-ended")
            self.add(holder + 1, verb)
            self.add(holder + 1, "complete")
            if not notices:
                self.add(holder, "complete")

        @while_there_is_room
        @precondition(lambda self: bool(self.version))
        @rule(client=clients)
        def roll(self, client: int) -> None:
            """A client is rolled to the other version, forward or back."""
            name = CLIENTS[client % self.clients]
            self.version[name] = next(v for v in space.meeting if v != self.version[name])

        @while_there_is_room
        @precondition(lambda self: self.may("malformed"))
        @rule(client=clients, what=st.sampled_from(tuple(MALFORMED)))
        def ask_what_is_refused(self, client: int, what: str) -> None:
            self.add(client, "malformed", what)

        @precondition(lambda self: len(self.steps) >= self.most)
        @rule()
        def rest(self) -> None:
            """The program is as long as it shall be."""

        def teardown(self) -> None:
            calls = [step for step in self.steps if step.client]
            # Whatever Hypothesis has given up in its middle counts for nothing there, whatever it shows.
            if calls and sys.exc_info()[0] is None:
                faults = tuple(self.fault(drawn, calls) for drawn in self.breaks if self.kind)
                ran = run(Plan(tuple(self.steps), self.picks, faults))
                target(ran.novelty, label="what was new")
                if ran.fell:
                    raise FellError(ran.fell)

        def fault(self, drawn: _Break, calls: list[WrittenStep]) -> FaultAt:
            """Return the fault that the numbers stand for, now that the program is written."""
            # A second attempt comes only of a first fault.
            again = drawn is not self.breaks[0] and drawn.attempt > 1
            number = (self.breaks[0] if again else drawn).call % len(calls)
            step = calls[number]
            unseen = space.unseen.get(step.verb, ())
            commands = space.commands.get(step.verb, LAST_COMMAND)
            command = (drawn.command - 1) % commands + 1 if drawn.command else commands
            name = self.kind[drawn.fault % len(self.kind)]
            if drawn.aim and unseen:
                command, name = unseen[drawn.fault % len(unseen)]
            variants = CATALOGUE[name].variants
            fault = FaultRef(name, variants[drawn.fault % len(variants)])
            operation = sum(1 for other in calls[: number + 1] if other.client == step.client)
            return FaultAt(step.client, operation, command, fault, 2 if again else 1)

    return Planner
