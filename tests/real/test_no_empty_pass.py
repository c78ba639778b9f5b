"""A subject that midpipe did not really break can't pass: nothing reached the server, or every call raised."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe import judge
from midpipe.faultinject.errors import SubjectError
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import ExplorationDone
from midpipe.scenarios.model.spec import SubjectSpec
from tests.real.commands import ran
from tests.real.exploring import orders_of

QUEUES = """
import threading

import redis


class AnswersOnly:
    def __init__(self, url):
        pass

    def enqueue(self, job_id):
        return True


class KeepsJobsInMemory:
    def __init__(self, url):
        redis.from_url(url).ping()
        self.jobs = {}

    def enqueue(self, job_id):
        self.jobs[job_id] = "pending"

    def get_job(self, job_id):
        return self.jobs.get(job_id)


class UsesAnotherPort:
    def __init__(self, url):
        self.redis = redis.from_url("redis://127.0.0.1:1/0")

    def enqueue(self, job_id):
        self.redis.rpush("queue", job_id)


class Queue:
    def __init__(self, url):
        self.redis = redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id):
        self.redis.rpush("queue", job_id)
        return True


class SendsLater(Queue):
    def enqueue(self, job_id):
        threading.Timer(0.05, super().enqueue, [job_id]).start()


class KeepsItsFirstConnection(Queue):
    shared = None

    def __init__(self, url):
        kind = type(self)
        kind.shared = self.redis = kind.shared or redis.from_url(url, decode_responses=True)


class CannotUpdate(Queue):
    def update_status(self, job_id, status):
        raise AttributeError("'Redis' object has no attribute 'hsett'")


class HasNoUpdateYet(Queue):
    def update_status(self, job_id, status):
        raise NotImplementedError


class EnqueuesOnce(Queue):
    def enqueue(self, job_id):
        if job_id.startswith("job-"):
            raise RuntimeError("on closed pool")
        super().enqueue(job_id)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("empty") / "empty_queues.py"
    written.write_text(QUEUES)
    return written


def end_of_sweep(worker: Worker, subject: SubjectSpec, program: str) -> ExplorationDone:
    """Return what a sweep without faults says at its end."""
    task = SweepTask(subject, program, shard=(0, 1), max_faults=0, latency_bound_ms=5_000.0)
    *_, done = worker.do(task)
    assert isinstance(done, ExplorationDone)
    return done


@pytest.mark.parametrize("queue", ["AnswersOnly", "KeepsJobsInMemory", "UsesAnotherPort"])
def test_a_subject_that_sends_nothing_to_the_server_is_refused(
    worker: Worker, file: Path, queue: str
) -> None:
    with pytest.raises(
        SubjectError, match="no command arrived at the address that midpipe gave; does it use"
    ):
        worker.rig(SubjectSpec(f"{file}:{queue}"))


def test_a_subject_whose_thread_sends_the_job_a_little_later_uses_the_server(
    worker: Worker, file: Path
) -> None:
    assert "enqueue" in worker.rig(SubjectSpec(f"{file}:SendsLater")).traits.methods


def test_a_connection_that_the_subjects_process_keeps_meets_faults(
    worker: Worker, file: Path
) -> None:
    subject = SubjectSpec(f"{file}:KeepsItsFirstConnection")
    record = replay_case(worker, subject, "enqueue-once: A1:RPUSH!cut-before", 5_000.0).record
    assert (record.invalid_reason, record.faults) == ("", 1)


def test_a_program_whose_calls_all_raise_is_not_run_and_its_exception_is_shown(
    worker: Worker, file: Path
) -> None:
    done = end_of_sweep(worker, SubjectSpec(f"{file}:CannotUpdate"), "update-running")
    assert done.raised == (
        "update_status raises AttributeError: 'Redis' object has no attribute 'hsett'"
    )


def test_orders_of_calls_that_all_raise_are_not_run_either(worker: Worker, file: Path) -> None:
    task = orders_of(SubjectSpec(f"{file}:CannotUpdate"), "update-vs-update")
    (done,) = worker.do(task)
    assert isinstance(done, ExplorationDone)
    assert done.raised.startswith("update_status raises AttributeError")


def test_a_method_that_is_not_implemented_counts_as_missing(worker: Worker, file: Path) -> None:
    done = end_of_sweep(worker, SubjectSpec(f"{file}:HasNoUpdateYet"), "update-running")
    assert done.missing == ("update_status (it raised NotImplementedError)",)


def test_enqueues_that_all_raise_without_a_fault_are_a_finding(worker: Worker, file: Path) -> None:
    record = replay_case(worker, SubjectSpec(f"{file}:EnqueuesOnce"), "enqueue:", 5_000.0).record
    assert record.violated_invariants == {"retry-succeeds"}


def test_a_run_that_found_only_programs_whose_calls_raise_ends_with_the_exception(
    file: Path,
) -> None:
    with pytest.raises(SubjectError, match=r"update-running raises: .* has no attribute 'hsett'"):
        judge(f"{file}:CannotUpdate", parts=["sweep"], programs=["update-running"])


def test_a_sweep_that_placed_no_fault_does_not_pass() -> None:
    verdict = judge("midpipe.reference:Queue", parts=["sweep"], programs=["bad-input"])
    assert verdict.outcome == "unknown"
    assert any("No fault was placed" in warning for warning in verdict.warnings)


SOUND = Path(__file__).parents[1] / "data" / "queues" / "sound"
NARROW = ("sweep", "--program", "enqueue", "--fault", "cut-before", "--jobs", "1")


def test_a_run_in_which_no_invariant_had_anything_to_check_does_not_pass(tmp_path: Path) -> None:
    code, output, _ = ran(*NARROW, "--only", "list-is-whole", cwd=tmp_path)
    assert (code, "No invariant had anything to check" in output) == (3, True), output


def test_a_chosen_fault_that_gave_some_invariant_nothing_to_check_can_pass(tmp_path: Path) -> None:
    subject = f"{SOUND}/mailroom.py:Queue"
    aimed = ("--program", "enqueue", "--fault", "crash", "--jobs", "1")
    code, output, _ = ran("sweep", "--subject", subject, *aimed, cwd=tmp_path)
    # The sentence may be wrapped anywhere.
    said = " ".join(output.split())
    assert (code, "no case gave it anything to check" in said) == (0, True), output
