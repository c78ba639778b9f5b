"""How good the searches are: a planted flaw is found within so many cases and shrinks to so few steps.

The bounds are promises, not records: each is about twice what the search needs today, so that a test fails when a
search has become half as good and not when a queue sends one command more. Only cases are counted; time is for the
benchmarks.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.stories import StoryTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.hunting import HuntTask
from midpipe.scenarios.model.messages import CaseEnded, Caught, HuntDone, StoryDone
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import program_named

QUEUES = Path(__file__).parent.parent / "data" / "queues" / "flawed"
LATENCY_BOUND_MS = 5_000.0
BUDGET_S = 60.0
"""For a search that finds nothing or a shrinking without an end, so that the test fails by itself."""


def flawed(queue: str) -> SubjectSpec:
    return SubjectSpec(f"midpipe.scenarios.flaws.{queue}")


def first_violation(
    worker: Worker, queue: str, invariant: str, suite: str, programs: tuple[str, ...] = ()
) -> Caught:
    task = HuntTask(
        flawed(queue),
        (invariant,),
        latency_bound_ms=LATENCY_BOUND_MS,
        programs=programs,
        suite=suite,
        budget_s=BUDGET_S,
        seed=1,
    )
    *_, done = worker.do(task)
    assert isinstance(done, HuntDone)
    assert done.invalid == 0
    (caught,) = [caught for caught in done.caught if caught.invariant == invariant]
    return caught


def shrunk(worker: Worker, queue: str, invariant: str, replay: str) -> tuple[int, int]:
    """Return how many operations and how many steps the smallest case has that still violates the invariant."""
    task = StoryTask(
        flawed(queue),
        replay,
        latency_bound_ms=LATENCY_BOUND_MS,
        shrinks_for=invariant,
        shrinks_s=BUDGET_S,
    )
    *_, story = worker.do(task)
    assert isinstance(story, StoryDone)
    assert invariant in story.violated_invariants
    program, schedule = parse_replay_string(story.story.replay, CATALOGUE)
    operations = sum(map(len, program_named(program).clients.values()))
    return operations, len(schedule.steps)


@pytest.mark.parametrize(
    ("queue", "invariant", "program", "cases"),
    [
        ("as_reviewed:SimpleQueue", "no-lost-job", "enqueue-with-request-id", 40),
        ("single:RequestKeyFirst", "retry-succeeds", "enqueue-with-request-id", 20),
        ("single:SwallowsExceptions", "no-lost-job", "enqueue", 10),
        # Faults of the clock are tried before the late command that shows it.
        ("single:LastArrivalWins", "status-order", "finish-with-result", 150),
    ],
)
def test_the_sweep_finds_a_flaw_within_so_many_cases_of_a_program(
    worker: Worker, queue: str, invariant: str, program: str, cases: int
) -> None:
    caught = first_violation(worker, queue, invariant, "sweep", (program,))
    assert caught.case_number <= cases


@pytest.mark.parametrize(
    ("queue", "invariant", "program", "cases"),
    [
        ("as_shipped:SimpleQueue", "no-duplicate", "same-request-twice", 6),
        ("pairs:IgnoresTheToken", "no-duplicate", "finish-vs-reclaim", 6),
        ("pairs:ReclaimsInTwoSteps", "no-duplicate", "reclaim-vs-reclaim", 6),
        ("pairs:PagesByOffset", "list-is-whole", "pages-vs-update", 6),
    ],
)
def test_a_race_is_found_within_so_many_orders_of_two_clients(
    worker: Worker, queue: str, invariant: str, program: str, cases: int
) -> None:
    caught = first_violation(worker, queue, invariant, "interleave", (program,))
    assert caught.case_number <= cases


@pytest.mark.parametrize(
    ("queue", "invariant", "program", "cases"),
    [
        ("due_twice", "no-duplicate", "retry-vs-claim", 10),
        # Only the death of the second worker shows it, so every order without a fault is run before.
        ("stale_finisher", "no-lost-job", "finish-vs-reclaim", 20),
    ],
)
def test_a_race_of_leases_is_found_within_so_many_orders_with_faults(
    worker: Worker, queue: str, invariant: str, program: str, cases: int
) -> None:
    task = InterleaveTask(
        SubjectSpec(f"{QUEUES}/{queue}.py:Queue"),
        program,
        max_preemptions=2,
        max_faults=1,
        prune=True,
        latency_bound_ms=LATENCY_BOUND_MS,
        max_orders=cases,
    )
    ended = [message for message in worker.do(task) if isinstance(message, CaseEnded)]
    assert invariant in {each.invariant for case in ended for each in case.violations}


@pytest.mark.parametrize(
    ("queue", "invariant", "cases"),
    [
        ("single:PushesAgain", "no-duplicate", 40),
        ("pairs:IgnoresTheToken", "no-duplicate", 150),
        ("as_shipped:SimpleQueue", "no-divergence", 40),
    ],
)
def test_fuzzing_finds_a_flaw_within_so_many_examples_that_it_writes_itself(
    worker: Worker, queue: str, invariant: str, cases: int
) -> None:
    assert first_violation(worker, queue, invariant, "fuzz").case_number <= cases


@pytest.mark.parametrize(
    ("queue", "invariant", "replay", "operations", "steps"),
    [
        pytest.param(
            "single:PushesAgain",
            "no-duplicate",
            "written(A enqueue job-1 r-2, A get job-1, A enqueue-once job-9, B enqueue-once globex/job-9, A list, "
            "A enqueue-anew job-1 r-2): A1 A2 A3 B1 A4 A5 A6",
            2,
            0,
            id="operations-that-do-not-matter",
        ),
        pytest.param(
            "as_reviewed:SimpleQueue",
            "no-lost-job",
            "enqueue-with-request-id: A1:SET!lost-reply A3!slow=1 A4!slow=1",
            1,
            1,
            id="faults-that-do-not-matter",
        ),
        pytest.param(
            "pairs:IgnoresTheToken",
            "no-duplicate",
            "written(A enqueue job-1, A get job-1, A list, A claim-ended, B list, B claim, B complete, A complete): "
            "A1 A2 B1 A3 B2 A4 B3 A5",
            5,
            3,
            id="steps-that-do-not-matter",
        ),
    ],
)
def test_a_case_shrinks_to_what_violates_the_invariant(
    worker: Worker, queue: str, invariant: str, replay: str, operations: int, steps: int
) -> None:
    most = (operations, steps)
    left = shrunk(worker, queue, invariant, replay)
    assert all(found <= bound for found, bound in zip(left, most, strict=True)), (left, most)
