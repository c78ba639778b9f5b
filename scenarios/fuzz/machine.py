"""The Hypothesis state machine whose rules write an example: a program for several clients, its order and its faults.

The rules only plan. Once an example is complete it is run as one case and judged by the same invariants as every other
case, so it is deterministic, has a replay line, and can be shrunk. The model holds what the rules need for a meaningful
plan: which clients have claimed a job, which jobs and requests exist, which version each client runs.
"""

from __future__ import annotations

import re
import sys

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings, target
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from midpipe.scenarios.fuzz.draws import (
    FAULTS,
    MAX_CALLS,
    MAX_FAULTS,
    PICKS,
    DrawnFault,
    placed_faults,
)
from midpipe.scenarios.fuzz.plan import Enough, Plan, Run
from midpipe.scenarios.fuzz.space import FuzzSpace
from midpipe.scenarios.programs.calls import OTHER_WORKSPACE
from midpipe.scenarios.programs.themes import CLAIMS, CROSSINGS, Theme
from midpipe.scenarios.programs.written import PUT, STARTS, WrittenStep

CLIENTS = ("A", "B", "C")
REQUESTS = ("", "r-1", "r-2")
STATUSES = ("running", "completed", "failed")
EXAMPLES_IN_A_BATCH = 40
STEPS_IN_AN_EXAMPLE = 9
MOST_DEQUEUES = 3
WAITING_JOBS = tuple(f"job-{number}" for number in range(11, 11 + MOST_DEQUEUES + MAX_FAULTS))
"""So many that a dequeue finds one, also if faults have others made again: it may wait for a job for ever."""
_REPRODUCE_LINE = re.compile(r"@reproduce_failure\([^)]*\)")


class NewViolationError(AssertionError):
    """An example has violated an invariant in a way that no earlier example did."""


def run_batch(run: Run, space: FuzzSpace, number: int) -> str:
    """Run a batch of examples; if the space mutates, Hypothesis mutates those with the most novelty.

    Args:
        number: the batch's seed; the same seed gives the same examples.

    Returns:
        Hypothesis' ``@reproduce_failure(…)`` line for a new violation; empty if there was none.
    """
    targeting = (Phase.target,) if space.mutates else ()
    profile = settings(
        max_examples=EXAMPLES_IN_A_BATCH,
        stateful_step_count=STEPS_IN_AN_EXAMPLE,
        # midpipe keeps replay lines of its own, which survive a new version of Hypothesis.
        database=None,
        deadline=None,
        derandomize=False,
        # The gate shrinks the schedule within its time budget; Hypothesis' shrinker has no time limit.
        phases=(Phase.generate, *targeting),
        verbosity=Verbosity.quiet,
        print_blob=True,
        suppress_health_check=tuple(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(machine(run, space, number)), settings=profile)
    except Enough:
        return ""
    except NewViolationError as error:
        line = _REPRODUCE_LINE.search(" ".join(getattr(error, "__notes__", ())))
        return line[0] if line else ""
    return ""


def machine(run: Run, space: FuzzSpace, number: int) -> type[RuleBasedStateMachine]:
    """Return the state machine class that plans within a space and runs each plan at teardown.

    Args:
        number: as in run_batch.
    """
    clients, jobs = st.integers(0, 2), st.integers(0, 2)
    # Hypothesis prefers what comes first, so that is another theme in each batch.
    first = number % len(space.themes)
    themes = (*space.themes[first:], *space.themes[:first])
    while_not_full = precondition(lambda self: len(self.steps) < self.max_calls)

    class Planner(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.steps: list[WrittenStep] = []
            self.version: dict[str, str] = {}
            self.claimed: set[int] = set()
            self.theme, self.clients, self.jobs, self.max_calls = themes[0], 1, 1, MAX_CALLS
            self.workspaces = False
            self.fault_names: tuple[str, ...] = ()
            self.drawn_faults: list[DrawnFault] = []
            self.picks: tuple[int, ...] = ()

        # --- the model ---------------------------------------------------------------------------

        def add(self, number: int, verb: str, *words: str) -> None:
            if not self.can(verb):
                return
            client = CLIENTS[number % self.clients]
            self.steps.append(WrittenStep(client, verb, words, self.version.get(client, "")))
            if verb in CLAIMS:
                self.claimed.add(number % self.clients)

        def can(self, *verbs: str) -> bool:
            return bool(set(verbs) & space.verbs & self.theme.verbs)

        def holds(self, verb: str) -> bool:
            """Whether a client has claimed a job that it can use in this way."""
            return bool(self.claimed) and self.can(verb)

        def job(self, number: int) -> str:
            """Return one of the example's jobs; with two workspaces, every second job is in the other one."""
            if self.workspaces and number % 2:
                return f"{OTHER_WORKSPACE}/job-{number % self.jobs + 7}"
            return f"job-{number % self.jobs + 1}"

        def planned_verbs(self) -> set[str]:
            return {step.verb for step in self.steps}

        def count(self, verb: str) -> int:
            return sum(step.verb == verb for step in self.steps)

        def enqueues(self) -> list[WrittenStep]:
            return [step for step in self.steps if step.verb == "enqueue"]

        # --- the rules ---------------------------------------------------------------------------

        @initialize(
            picks=PICKS,
            theme=st.sampled_from(themes),
            clients=st.sampled_from((2, 2, 3, 1)),
            jobs=st.integers(1, 3),
            max_calls=st.sampled_from((2, 3, 4, 5, 6, MAX_CALLS)),
            workspaces=st.sampled_from((False, False, True)),
            request=st.sampled_from(REQUESTS),
            schema=st.sampled_from(space.starts or STARTS),
            crossing=st.sampled_from(CROSSINGS),
            first_claim=st.sampled_from(CLAIMS),
            finishing=st.sampled_from(((), (), (0, 1), (1, 0))),
            fault_group=st.sampled_from(space.fault_groups),
            drawn_faults=st.lists(FAULTS, min_size=MAX_FAULTS, max_size=MAX_FAULTS),
            fault_count=st.sampled_from((1, 1, 2, 0)),
        )
        def begin(
            self,
            picks: list[int],
            theme: Theme,
            clients: int,
            jobs: int,
            max_calls: int,
            workspaces: bool,
            request: str,
            schema: str,
            crossing: tuple[tuple[int, tuple[str, ...]], ...],
            first_claim: str,
            finishing: tuple[int, ...],
            fault_group: tuple[str, ...],
            drawn_faults: list[DrawnFault],
            fault_count: int,
        ) -> None:
            self.picks, self.theme = tuple(picks), theme
            of_theme = tuple(name for name in theme.faults if name in space.faults)
            self.fault_names = of_theme or fault_group
            self.drawn_faults = drawn_faults[:fault_count]
            self.clients, self.jobs, self.max_calls = clients, jobs, max_calls
            self.workspaces = workspaces and theme.begins in ("", "seeded")
            if theme.has_versions and space.version_pair:
                self.clients = min(clients, 2)
                self.version = {
                    client: space.version_pair[number % len(space.version_pair)]
                    for number, client in enumerate(CLIENTS)
                }
            if theme.begins == "stocked":
                self.steps += [WrittenStep("", PUT, (job_id,)) for job_id in WAITING_JOBS]
                self.max_calls += len(WAITING_JOBS)
                self.clients = max(clients, 2)
                self.add(0, "dequeue")
            elif theme.begins == "seeded":
                # A version that reads only the new schema comes after the backfill, so the job is in the new one.
                holds_job = "new" if "new-only" in space.version_pair else schema
                self.steps.append(WrittenStep("", holds_job, ("job-1",)))
                for number, (verb, *words) in crossing:
                    self.add(number, verb, *words)
            else:
                self.add(0, "enqueue", "job-1", *([request] if request else []))
            if theme.begins == "claimed":
                self.add(0, first_claim)
            if theme.begins == "overtaken":
                self.max_calls = max(max_calls, 4)
                self.add(0, "update", "job-1", "running")
                self.add(0, "update", "job-1", "completed")
            if theme.begins == "waiting":
                self.add(1, "work")
            if theme.begins == "race":
                self.clients, self.max_calls = max(clients, 2), max(max_calls, 4)
                self.add(0, "enqueue", "job-2")
                self.add(0, "claim")
                self.add(1, "claim")
            if theme.begins == "twice":
                self.clients, self.max_calls = max(clients, 2), max(max_calls, 4)
                self.add(0, first_claim)
                if finishing[:1] == (0,):
                    self.add(0, "complete")
                self.add(1, "claim")
                if not finishing:
                    self.add(2 if clients > 2 else 0, "claim")
                for number in finishing[-1:] if finishing[:1] == (0,) else finishing:
                    self.add(number, "complete")

        @while_not_full
        @precondition(lambda self: self.can("enqueue"))
        @rule(
            client=clients,
            job=jobs,
            request=st.sampled_from(REQUESTS),
            verb=st.sampled_from(("enqueue", "enqueue-once", "enqueue-anew")),
        )
        def enqueue(self, client: int, job: int, request: str, verb: str) -> None:
            request_id = "r-1" if verb == "enqueue-anew" and not request else request
            self.add(client, verb, self.job(job), *([request_id] if request_id else []))

        @while_not_full
        @precondition(lambda self: bool(self.enqueues()))
        @rule(data=st.data(), client=clients, job=jobs, renamed=st.booleans())
        def repeat_request(self, data: st.DataObject, client: int, job: int, renamed: bool) -> None:
            """Another client, or the same one after a restart, sends a request that was sent before."""
            words = data.draw(st.sampled_from(self.enqueues())).words
            self.add(client, "enqueue", *((self.job(job), *words[1:]) if renamed else words))

        @while_not_full
        @precondition(lambda self: self.can("enqueue-once"))
        @rule(client=clients, other_first=st.booleans())
        def enqueue_in_two_workspaces(self, client: int, other_first: bool) -> None:
            """Two workspaces enqueue a job of the same id without a retry; the second one is refused."""
            jobs = ("job-9", f"{OTHER_WORKSPACE}/job-9")
            for number, job in enumerate(reversed(jobs) if other_first else jobs):
                self.add(client + number, "enqueue-once", job)

        @while_not_full
        @precondition(lambda self: self.can("update"))
        @rule(
            client=clients,
            job=jobs,
            status=st.sampled_from(STATUSES),
            verb=st.sampled_from(("update", "update-once")),
        )
        def update(self, client: int, job: int, status: str, verb: str) -> None:
            self.add(client, verb, self.job(job), status)

        @while_not_full
        @precondition(lambda self: self.can("get"))
        @rule(client=clients, job=jobs, as_other=st.sampled_from((False, False, True)))
        def get(self, client: int, job: int, as_other: bool) -> None:
            name = self.job(job)
            reads = f"{OTHER_WORKSPACE}/{name}" if as_other and "/" not in name else name
            self.add(client, "get", reads)

        @while_not_full
        @precondition(lambda self: self.can("list"))
        @rule(client=clients, as_other=st.sampled_from((False, False, True)))
        def list_jobs(self, client: int, as_other: bool) -> None:
            self.add(client, "list", *([OTHER_WORKSPACE] if as_other else []))

        @while_not_full
        @precondition(lambda self: self.can("backfill", "backfill-step"))
        @rule(client=clients, job=jobs, whole=st.booleans())
        def backfill(self, client: int, job: int, whole: bool) -> None:
            if whole:
                self.add(client, "backfill")
            else:
                self.add(client, "backfill-step", f"job-{job % self.jobs + 1}")

        @while_not_full
        @precondition(lambda self: bool({"backfill", "backfill-step"} & self.planned_verbs()))
        @rule(client=clients)
        def clean_up(self, client: int) -> None:
            self.add(client, "cleanup")

        @while_not_full
        @precondition(lambda self: self.can(*CLAIMS))
        @rule(client=clients, verb=st.sampled_from(CLAIMS))
        def claim(self, client: int, verb: str) -> None:
            self.add(client, verb)

        @while_not_full
        @precondition(lambda self: self.can("work"))
        @rule(client=clients, most=st.sampled_from(("", "", "2")))
        def work(self, client: int, most: str) -> None:
            self.add(client, "work", *([most] if most else []))

        @while_not_full
        @precondition(lambda self: self.can("tick"))
        @rule(client=clients)
        def tick(self, client: int) -> None:
            """The queue's periodic work is done, and a worker runs after it."""
            self.add(client, "tick")
            self.add(client, "work")

        @while_not_full
        @precondition(lambda self: self.can("enqueue-failing"))
        @rule(client=clients, job=jobs)
        def enqueue_failing(self, client: int, job: int) -> None:
            """A job whose body fails the first time; it has an id of its own."""
            self.add(client, "enqueue-failing", f"job-{job % self.jobs + 4}")

        @while_not_full
        @precondition(lambda self: self.can("enqueue-delayed"))
        @rule(client=clients, job=jobs)
        def enqueue_delayed(self, client: int, job: int) -> None:
            """A job that waits; it has an id of its own."""
            self.add(client, "enqueue-delayed", f"job-{job % self.jobs + 4}")

        @while_not_full
        @precondition(lambda self: self.can("cancel"))
        @rule(client=clients, job=jobs)
        def cancel(self, client: int, job: int) -> None:
            self.add(client, "cancel", self.job(job))

        @while_not_full
        @precondition(lambda self: self.can("dequeue"))
        @precondition(lambda self: self.count("dequeue") < MOST_DEQUEUES)
        @rule(client=clients)
        def dequeue(self, client: int) -> None:
            self.add(client, "dequeue")

        @while_not_full
        @precondition(lambda self: self.holds("complete"))
        @rule(data=st.data())
        def complete(self, data: st.DataObject) -> None:
            self.add(data.draw(st.sampled_from(sorted(self.claimed))), "complete")

        @while_not_full
        @precondition(lambda self: self.holds("fail"))
        @rule(data=st.data())
        def fail(self, data: st.DataObject) -> None:
            self.add(data.draw(st.sampled_from(sorted(self.claimed))), "fail")

        @while_not_full
        @precondition(lambda self: self.holds("heartbeat"))
        @rule(data=st.data())
        def heartbeat(self, data: st.DataObject) -> None:
            self.add(data.draw(st.sampled_from(sorted(self.claimed))), "heartbeat")

        @while_not_full
        @precondition(lambda self: self.holds("heartbeat-ended"))
        @rule(data=st.data(), verb=st.sampled_from(CLAIMS), notices=st.booleans())
        def take_over(self, data: st.DataObject, verb: str, notices: bool) -> None:
            """A worker's lease expires and another worker claims and completes; the first may still complete too."""
            holder = data.draw(st.sampled_from(sorted(self.claimed)))
            self.add(holder, "heartbeat-ended")
            self.add(holder + 1, verb)
            self.add(holder + 1, "complete")
            if not notices:
                self.add(holder, "complete")

        @while_not_full
        @precondition(lambda self: bool(self.version))
        @rule(client=clients)
        def change_version(self, client: int) -> None:
            """A client is restarted with the other version, forward or back."""
            name = CLIENTS[client % self.clients]
            self.version[name] = next(v for v in space.version_pair if v != self.version[name])

        @while_not_full
        @precondition(lambda self: self.can("malformed"))
        @rule(client=clients, what=st.sampled_from(space.malformed))
        def enqueue_malformed(self, client: int, what: str) -> None:
            self.add(client, "malformed", what)

        @precondition(lambda self: len(self.steps) >= self.max_calls)
        @rule()
        def stop(self) -> None:
            """Do nothing: the program has its planned length, and Hypothesis needs a rule that applies."""

        def teardown(self) -> None:
            calls = [step for step in self.steps if step.client]
            # An example that Hypothesis abandoned halfway is not complete, so its result would not count.
            if calls and sys.exc_info()[0] is None:
                faults = placed_faults(self.drawn_faults, self.fault_names, calls, space)
                result = run(Plan(tuple(self.steps), self.picks, faults))
                target(result.novelty, label="new coverage")
                if result.new_violation:
                    raise NewViolationError(result.new_violation)

    return Planner
