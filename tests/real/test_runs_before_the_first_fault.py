"""How often a program is run before its first fault: each run is time that a short budget lacks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from midpipe.faultinject.decide.sweep import SweepFrontier
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.messages import ExplorationDone
from midpipe.scenarios.model.spec import SubjectSpec

COUNTS = """\
import os

import redis

SCRIPT = "return redis.call('RPUSH', KEYS[1], ARGV[1])"


class Queue:
    def __init__(self, url):
        self.push = redis.Redis.from_url(url).register_script(SCRIPT)

    def enqueue(self, job_id):
        with open(os.environ["COUNT"], "a") as file:
            file.write("1")
        return bool(self.push(keys=["q"], args=[job_id]))
"""


class Sweep:
    """Sweeps a program case by case, and counts the enqueues that each case takes."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        self._worker = worker
        self._count = folder / "count"
        (folder / "queue.py").write_text(COUNTS)
        self._subject = SubjectSpec(
            f"{folder}/queue.py:Queue", environment=(("COUNT", str(self._count)),)
        )
        worker.rig(self._subject)
        self._frontier: SweepFrontier | None = None

    def enqueues_of_a_case(self) -> int:
        """Run the next case, and return how often a job was put in for it."""
        before = self._count.stat().st_size
        task = SweepTask(
            self._subject,
            "enqueue",
            shard=(0, 1),
            max_faults=1,
            latency_bound_ms=DEFAULT_LATENCY_BOUND_MS,
            deadline_s=time.monotonic(),
            frontier=self._frontier,
        )
        *_, done = self._worker.do(task)
        assert isinstance(done, ExplorationDone)
        assert done.stopped
        assert isinstance(done.frontier, SweepFrontier)
        self._frontier = done.frontier
        return self._count.stat().st_size - before

    def forget_scripts(self) -> None:
        """Have the server forget every script."""
        self._worker.rig(self._subject).control.call("SCRIPT", "FLUSH")


@pytest.fixture
def sweep(worker: Worker, tmp_path: Path) -> Sweep:
    return Sweep(worker, tmp_path)


def test_the_second_of_two_runs_without_faults_is_the_first_case(sweep: Sweep) -> None:
    # The server has learned the script when it was found out what the subject does.
    assert sweep.enqueues_of_a_case() == 2


def test_a_third_one_is_made_if_the_server_learned_a_script_in_the_first(sweep: Sweep) -> None:
    sweep.forget_scripts()
    assert sweep.enqueues_of_a_case() == 3


def test_a_sweep_that_goes_on_runs_its_next_case_at_once(sweep: Sweep) -> None:
    sweep.enqueues_of_a_case()
    # The caller of a command that failed makes its call again.
    assert sweep.enqueues_of_a_case() == 2


def test_a_server_that_has_forgotten_the_scripts_learns_them_before(sweep: Sweep) -> None:
    sweep.enqueues_of_a_case()
    sweep.forget_scripts()
    assert sweep.enqueues_of_a_case() == 3
