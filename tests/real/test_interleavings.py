"""Several clients on a real server: what only they can find, its shortest string, and that pruning loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.replay import Replay
from midpipe.faultinject.decide.schedule import Schedule, parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.explore.interleaving import InterleaveTask, faults_for
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.running import run_schedule
from midpipe.scenarios.explore.stories import StoryTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.flaws.flaw import Flaw
from midpipe.scenarios.flaws.registry import FLAWS
from midpipe.scenarios.gate.hunting import HuntTask
from midpipe.scenarios.model.history import SHORTEST_LEASE_S
from midpipe.scenarios.model.messages import (
    CaseEnded,
    ExplorationDone,
    HuntDone,
    Sampling,
    StoryDone,
)
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from midpipe.scenarios.programs.calls import claim, enqueue
from midpipe.scenarios.programs.pairs import PAIRS
from midpipe.scenarios.programs.program import Program
from tests.real.exploring import orders_of

AS_SHIPPED = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"
# The queue as shipped has flaws that one client sees, beside the one that takes two. A transaction that redis-py sends
# again, because its reply was lost, races with itself: fail-then-claim shows that of the other.
SEEN_BY_ONE = (AS_SHIPPED, "midpipe.scenarios.flaws.pairs:ReclaimsInTwoSteps")
ONLY_BY_TWO = [
    flaw for flaw in FLAWS if flaw.suite == "interleave" and flaw.subject not in SEEN_BY_ONE
]
# A sweep each: the first one in every run, all of them at night.
EACH_BY_TWO = [
    pytest.param(flaw, id=flaw.name, marks=() if flaw is ONLY_BY_TWO[0] else pytest.mark.nightly)
    for flaw in ONLY_BY_TWO
]


def test_the_duplicate_of_one_request_takes_no_fault_and_one_preemption(worker: Worker) -> None:
    rig = worker.rig(SubjectSpec(AS_SHIPPED))
    found = next(
        ended
        for ended in explore(rig, PAIRS["same-request-twice"], Interleave())
        if ended.violations
    )
    assert (found.replay, found.violations[0].invariant) == (
        "same-request-twice: A1 B1",
        "no-duplicate",
    )


def test_the_shortest_string_of_the_duplicate_replays_a_hundred_times_out_of_a_hundred(
    worker: Worker,
) -> None:
    outcomes = set()
    for _ in range(100):
        replayed = replay_case(
            worker, SubjectSpec(AS_SHIPPED), "same-request-twice: A1 B1", 5_000.0, warms_up=False
        )
        violated_invariants = tuple(violation.invariant for violation in replayed.record.violations)
        outcomes.add(
            (
                replayed.record.invalid_reason,
                replayed.unplaced,
                violated_invariants,
                replayed.record.shape(),
            )
        )
    ((invalid_reason, unplaced, violated_invariants, _),) = outcomes
    assert (invalid_reason, unplaced, violated_invariants) == ("", (), ("no-duplicate",))


def test_an_order_with_a_fault_replays_to_the_same_history_each_time(
    worker: Worker,
) -> None:
    subject, line = SubjectSpec(AS_SHIPPED), "same-request-twice: A1 B1 A2:EXEC!lost-reply"
    shapes = {
        replay_case(worker, subject, line, 5_000.0, warms_up=not number).record.shape()
        for number in range(25)
    }
    assert len(shapes) == 1


@pytest.mark.parametrize("flaw", EACH_BY_TWO)
def test_no_single_client_sees_what_two_clients_see(worker: Worker, flaw: Flaw) -> None:
    task = HuntTask(
        SubjectSpec(flaw.subject), (), latency_bound_ms=5_000.0, faults=("cut-before", "lost-reply")
    )
    *_, done = worker.do(task)
    assert isinstance(done, HuntDone)
    assert [caught.replay for caught in done.caught if caught.invariant in flaw.caught_by] == []


@pytest.mark.nightly(reason="the gate of the reference runs the same orders in every CI")
def test_every_program_is_exhausted_for_the_reference_without_a_violation(worker: Worker) -> None:
    rig = worker.rig(SubjectSpec(REFERENCE))
    for program in PAIRS.values():
        if program.methods <= rig.traits.methods:
            planner = Interleave()
            ended = list(explore(rig, program, planner))
            assert [case.replay for case in ended if case.violations or not case.valid] == []
            assert sum(row.not_reached for row in planner.ledger.rows()) == 0


def test_a_lease_of_no_time_has_ended_before_anything_else_happens(worker: Worker) -> None:
    # Its own record of the claim, which the server forgets within two milliseconds, would be there in some runs only.
    program = Program(
        "claims-last", "", {"A": (claim("worker-a", SHORTEST_LEASE_S),)}, prepare=(enqueue(),)
    )
    rig = worker.rig(SubjectSpec())
    for _ in range(10):
        record = run_schedule(rig, program, Replay(Schedule()), 5_000.0)
        assert not [key for key in record.states[-1] if key.startswith("ai:claim:")]


CAREFUL = """
from midpipe.scenarios.flaws.pairs import IgnoresTheToken

class Careful(IgnoresTheToken):
    def claim(self, worker_id, lease_s=30.0):
        if lease_s <= 0:
            raise ValueError("a lease lasts")
        return super().claim(worker_id, lease_s)
"""


def test_a_queue_that_refuses_a_lease_of_no_time_shows_its_late_completions_too(
    worker: Worker, tmp_path: Path
) -> None:
    file = tmp_path / "careful.py"
    file.write_text(CAREFUL)
    subject = SubjectSpec(f"{file}:Careful")
    record = replay_case(worker, subject, "finish-vs-reclaim: A1 B1", 5_000.0).record
    assert {violation.invariant for violation in record.violations} == {"no-duplicate"}


NONDETERMINISTIC = """
import random
from midpipe.reference import Queue

class Restless(Queue):
    def get_job(self, job_id, workspace_id=None):
        if random.SystemRandom().random() < 0.5:
            self._redis.exists("anything")
        return super().get_job(job_id, workspace_id)
"""


def test_a_subject_that_does_not_do_the_same_each_time_is_sampled_and_named(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("midpipe.scenarios.explore.interleaving.RUNS_IF_NONDETERMINISTIC", 10)
    (tmp_path / "restless.py").write_text(NONDETERMINISTIC)
    subject = SubjectSpec(f"{tmp_path / 'restless.py'}:Restless")
    task = orders_of(subject, "update-vs-get")
    # Two runs may be alike by chance; that they are so many times over would be no chance.
    ends = (message for _ in range(20) for message in worker.do(task))
    done = next(end for end in ends if isinstance(end, ExplorationDone) and end.nondeterministic)
    assert "EXISTS" in done.nondeterministic
    # What was run in order before it showed is counted, too.
    assert done.ledger[-1].fault == "none (sampled)"


DAWDLING = """
import random, time
from midpipe.scenarios.flaws.as_shipped import SimpleQueue

class Dawdling(SimpleQueue):
    def enqueue(self, *words, **named):
        time.sleep(random.SystemRandom().uniform(0.0, 0.004))
        return super().enqueue(*words, **named)
"""


def test_transactions_that_come_at_any_moment_make_no_two_runs_differ(
    worker: Worker, tmp_path: Path
) -> None:
    (tmp_path / "dawdling.py").write_text(DAWDLING)
    subject = SubjectSpec(f"{tmp_path / 'dawdling.py'}:Dawdling")
    line = "same-job-twice:"
    shapes = {
        str(replay_case(worker, subject, line, 5_000.0, warms_up=not number).record.shape())
        for number in range(20)
    }
    assert len(shapes) == 1


@pytest.mark.parametrize(
    ("program", "are_placed"), [("finish-vs-reclaim", True), ("same-request-twice", False)]
)
def test_a_worker_is_killed_where_another_one_may_get_its_job(
    program: str, are_placed: bool
) -> None:
    assert ({"crash", "crash-before"} <= set(faults_for(PAIRS[program]))) is are_placed


@pytest.mark.parametrize("depth", [None, 3])
def test_random_orders_find_the_duplicate_and_it_shrinks_to_the_shortest_string(
    worker: Worker, depth: int | None
) -> None:
    subject = SubjectSpec(AS_SHIPPED)
    sampling = Sampling(50, 1, depth)
    task = InterleaveTask(
        subject,
        "same-request-twice",
        max_preemptions=2,
        max_faults=1,
        prune=True,
        latency_bound_ms=5_000.0,
        sampling=sampling,
    )
    found = [m for m in worker.do(task) if isinstance(m, CaseEnded) and m.violations]
    longest = max(found, key=lambda ended: len(ended.replay))
    *_, done = worker.do(
        StoryTask(subject, longest.replay, latency_bound_ms=5_000.0, shrinks_for="no-duplicate")
    )
    assert isinstance(done, StoryDone)
    assert done.story.replay in ("same-request-twice: A1 B1", "same-request-twice: B1 A1")


@pytest.mark.parametrize(("most", "is_bounded"), [(5, True), (1_000, False)])
def test_of_more_orders_than_asked_for_the_simplest_are_run_and_the_rest_is_counted(
    worker: Worker, most: int, is_bounded: bool
) -> None:
    subject = SubjectSpec(AS_SHIPPED)
    task = InterleaveTask(
        subject,
        "same-request-twice",
        max_preemptions=2,
        max_faults=0,
        prune=True,
        latency_bound_ms=5_000.0,
        max_orders=most,
    )
    *cases, done = worker.do(task)
    assert isinstance(done, ExplorationDone)
    run = len([case for case in cases if isinstance(case, CaseEnded)])
    left = sum(row.not_reached for row in done.ledger)
    assert (done.bounded, run == most, left > 0) == (is_bounded,) * 3


def test_a_schedule_of_two_clients_is_read_back_as_printed() -> None:
    text = "same-request-twice: A1 B1 B2 A2:EXEC!lost-reply"
    name, schedule = parse_replay_string(text, CATALOGUE)
    assert f"{name}: {schedule}" == text
