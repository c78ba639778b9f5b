"""Workers in processes of their own: where they run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.probing import ProbeTask
from midpipe.scenarios.gate.pool import Pool
from midpipe.scenarios.model.spec import SubjectSpec
from tests.real.processes import started_by

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process choose")


@pytest.fixture
def processors() -> Iterator[list[int]]:
    """Two processors that this process may run on, or one if there is no other."""
    able = os.sched_getaffinity(0)
    chosen = sorted(able)[:2]
    os.sched_setaffinity(0, chosen)
    yield chosen
    os.sched_setaffinity(0, able)


def kept_to(jobs: int) -> list[list[int]]:
    """Return the processors of each worker of a pool, once all of them work."""
    pool = Pool(ServerSpec(), jobs)
    try:
        list(pool.run([ProbeTask(SubjectSpec())] * jobs))
        workers = [p for p, command in started_by(os.getpid()).items() if "spawn_main" in command]
        return sorted(psutil.Process(worker).cpu_affinity() for worker in workers)
    finally:
        pool.close()


def test_workers_that_fill_the_machine_stay_on_processors_of_their_own(
    processors: list[int],
) -> None:
    assert kept_to(2) == [[processors[0]], [processors[-1]]]


def test_workers_that_leave_some_of_it_idle_may_run_anywhere() -> None:
    able = sorted(os.sched_getaffinity(0))
    if len(able) < 3:
        pytest.skip("two workers fill this machine")
    assert kept_to(2) == [able, able]


def test_a_pool_does_not_wait_for_workers_that_are_still_being_started() -> None:
    earlier = set(multiprocessing.active_children())
    pool = Pool(ServerSpec(), 2)
    workers = set(multiprocessing.active_children()) - earlier
    for worker in workers:
        os.kill(worker.pid or 0, signal.SIGSTOP)
    pool.close()
    assert [worker.exitcode for worker in workers] == [-signal.SIGKILL] * 2
