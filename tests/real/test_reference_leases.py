"""The worker's side of the reference: leases, tokens, back-off, dead letters, and a worker that is asked to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from midpipe.faultinject.servers.server import Server
from midpipe.reference import Queue
from midpipe.reference.scripts import Durability
from midpipe.reference.worker import Worker
from tests.real.queues import job
from tests.real.waiting import wait_until
from tests.support.children import running


def claimed(queue: Queue, worker: str = "w-1", lease_s: float = 30.0) -> dict[str, Any]:
    found = queue.claim(worker, lease_s)
    assert found is not None
    return found


def status(queue: Queue) -> str:
    found = queue.get_job("job-1", "acme")
    assert found is not None
    return str(found["status"])


def test_a_claimed_job_is_running_and_no_other_worker_gets_it(queue: Queue) -> None:
    queue.enqueue(**job())
    first = claimed(queue)
    assert (first["job_id"], first["status"], first["attempt"]) == ("job-1", "running", 1)
    assert (queue.claim("w-2"), status(queue)) == (None, "running")


def test_jobs_are_claimed_in_the_order_of_enqueueing(queue: Queue) -> None:
    for name in ("a", "b", "c"):
        queue.enqueue(**job(name))
    assert [claimed(queue)["job_id"] for _ in range(3)] == ["a", "b", "c"]


def test_completing_twice_is_as_completing_once(queue: Queue, driver: Any) -> None:
    queue.enqueue(**job())
    held = claimed(queue)
    answers = [queue.complete("job-1", "acme", held["lease_token"], {"n": 1}) for _ in range(2)]
    assert (answers, status(queue)) == ([True, True], "completed")
    assert driver.hgetall("ai:jobs:job-1") == driver.hgetall("ai:job:acme:job-1")


def test_an_expired_lease_gives_the_job_to_the_next_worker(queue: Queue) -> None:
    queue.enqueue(**job())
    first = claimed(queue, "w-1", 0.01)
    time.sleep(0.02)
    second = claimed(queue, "w-2")
    assert (second["job_id"], second["attempt"]) == ("job-1", 2)
    assert second["lease_token"] > first["lease_token"]


def test_a_worker_that_lost_its_lease_can_not_finish_the_job(queue: Queue) -> None:
    queue.enqueue(**job())
    zombie = claimed(queue, "w-1", 0.01)
    time.sleep(0.02)
    held = claimed(queue, "w-2")
    token = zombie["lease_token"]
    assert queue.complete("job-1", "acme", token) is False
    assert queue.fail("job-1", token) is False
    assert queue.heartbeat("job-1", token) is False
    assert status(queue) == "running"
    assert queue.complete("job-1", "acme", held["lease_token"]) is True


def test_another_workspace_can_not_finish_the_job(queue: Queue) -> None:
    queue.enqueue(**job())
    token = claimed(queue)["lease_token"]
    assert queue.complete("job-1", "globex", token) is False
    assert queue.complete("job-1", "acme", token) is True


def test_a_heartbeat_keeps_the_lease(queue: Queue) -> None:
    queue.enqueue(**job())
    # The heartbeat has to come before the lease ends, on a busy machine as well.
    held = claimed(queue, "w-1", 0.5)
    assert queue.heartbeat("job-1", held["lease_token"], 30.0) is True
    time.sleep(0.51)
    assert queue.claim("w-2") is None


def test_a_failed_job_is_given_out_again_after_its_back_off(queue: Queue) -> None:
    queue.enqueue(**job())
    held = claimed(queue)
    assert queue.fail("job-1", held["lease_token"], back_off_s=0.5) is True
    assert queue.claim("w-2") is None
    time.sleep(0.51)
    assert claimed(queue, "w-2")["attempt"] == 2


def test_a_job_that_fails_too_often_becomes_a_dead_letter(queue: Queue, driver: Any) -> None:
    queue.enqueue(**job())
    for _ in range(queue.max_attempts):
        held = claimed(queue)
        queue.fail("job-1", held["lease_token"], {"why": "no"}, back_off_s=0.0)
    assert (queue.claim("w-1"), status(queue)) == (None, "failed")
    assert driver.lrange("ai:queue:dead", 0, -1) == ["job-1"]


def test_a_job_that_is_given_back_has_used_up_no_attempt(queue: Queue, driver: Any) -> None:
    queue.enqueue(**job())
    for _ in range(queue.max_attempts + 1):
        held = claimed(queue)
        answers = [queue.give_back("job-1", held["lease_token"]) for _ in range(2)]
        assert answers == [True, True]
    assert (claimed(queue)["attempt"], driver.llen("ai:queue:dead")) == (1, 0)


def test_a_job_whose_workers_die_too_often_becomes_a_dead_letter(queue: Queue, driver: Any) -> None:
    queue.enqueue(**job())
    for _ in range(queue.max_attempts):
        claimed(queue, "w-1", 0.005)
        time.sleep(0.01)
    assert (queue.claim("w-1"), status(queue)) == (None, "failed")
    assert driver.lrange("ai:queue:dead", 0, -1) == ["job-1"]


def test_waiting_takes_nothing_and_ends_when_a_job_comes(queue: Queue, driver: Any) -> None:
    timer = threading.Timer(0.05, lambda: queue.enqueue(**job()))
    timer.start()
    begun_s = time.monotonic()
    queue.wait(30.0)
    timer.join()
    assert time.monotonic() - begun_s < 25.0
    assert driver.lrange("ai:queue:pending", 0, -1) == ["job-1"]


def test_a_worker_completes_fails_and_stops(queue: Queue) -> None:
    for name in ("good", "bad"):
        queue.enqueue(**job(name))
    seen: list[str] = []

    def handle(given: dict[str, Any]) -> Any:
        seen.append(given["job_id"])
        if len(seen) == 2:
            worker.stop()
        if given["job_id"] == "bad":
            raise RuntimeError("no")
        return {"done": True}

    worker = Worker(queue, handle, "w-1", back_off_s=0.0)
    completed = worker.run(on_sigterm=False)
    good = queue.get_job("good", "acme")
    assert good is not None
    assert (completed, seen, good["result"]) == (1, ["good", "bad"], {"done": True})
    assert claimed(queue)["job_id"] == "bad"


def test_sigterm_lets_the_worker_finish_its_job(queue: Queue) -> None:
    queue.enqueue(**job())

    def handle(_: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    try:
        completed = Worker(queue, handle, "w-1").run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (completed, status(queue)) == (1, "completed")


def test_a_second_sigterm_gives_the_job_back(queue: Queue) -> None:
    queue.enqueue(**job())

    def handle(_: dict[str, Any]) -> None:
        worker.stop()
        worker.stop()

    worker = Worker(queue, handle, "w-1")
    assert worker.run(on_sigterm=False) == 0
    assert claimed(queue, "w-2")["attempt"] == 1


def test_ctrl_c_gives_the_job_back_and_ends_the_program(queue: Queue) -> None:
    queue.enqueue(**job())

    def handle(_: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Worker(queue, handle, "w-1").run(on_sigterm=False)
    assert claimed(queue, "w-2")["attempt"] == 1


def test_a_worker_goes_on_where_no_replica_confirms_and_uses_up_no_attempt(
    queue: Queue, driver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    queue.enqueue(**job())
    waiting = Queue(client=driver, durability=Durability(replicas=1, within_ms=1))
    worker = Worker(waiting, lambda _: None, "w-1")
    working = threading.Thread(target=worker.run, kwargs={"on_sigterm": False})
    working.start()
    try:
        wait_until(lambda: caplog.text.count("Too few servers confirmed a step in time.") >= 2)
    finally:
        worker.stop()
        working.join()
    assert claimed(queue, "w-2")["attempt"] == 1


def test_an_end_that_was_reported_without_the_lease_is_not_undone_when_the_lease_ends(
    queue: Queue,
) -> None:
    queue.enqueue(**job())
    held = claimed(queue, "w-1", 0.01)
    queue.update_status("job-1", "completed", {"n": 1}, "acme")
    time.sleep(0.02)
    assert (queue.claim("w-2"), status(queue)) == (None, "completed")
    assert queue.complete("job-1", "acme", held["lease_token"], {"n": 2}) is False


def test_an_end_that_older_code_wrote_past_the_lease_is_not_undone_either(
    queue: Queue, driver: Any
) -> None:
    queue.enqueue(**job())
    held = claimed(queue, "w-1", 0.01)
    driver.hset("ai:jobs:job-1", "status", "failed")
    assert queue.complete("job-1", "acme", held["lease_token"]) is False
    time.sleep(0.02)
    assert queue.claim("w-2") is None
    assert driver.hget("ai:jobs:job-1", "status") == "failed"


def test_a_heartbeat_that_arrives_late_shortens_nothing(queue: Queue) -> None:
    queue.enqueue(**job())
    held = claimed(queue)
    queue.heartbeat("job-1", held["lease_token"], 0.001)
    time.sleep(0.01)
    assert queue.claim("w-2") is None


def test_a_finished_job_leaves_nothing_behind_but_itself_and_what_ends_by_itself(
    queue: Queue, driver: Any
) -> None:
    queue.enqueue(**job(client_request_id="r"))
    held = claimed(queue)
    queue.complete("job-1", "acme", held["lease_token"])
    lasting = {key for key in driver.keys("*") if driver.ttl(key) == -1}
    assert lasting == {
        "ai:jobs:job-1",
        "ai:job:acme:job-1",
        "ai:index:acme",
        "ai:owners",
        "ai:sequence",
    }


def test_a_job_that_was_finished_long_ago_can_be_forgotten_without_a_trace(
    queue: Queue, driver: Any
) -> None:
    queue.enqueue(**job())
    for _ in range(queue.max_attempts):
        queue.fail("job-1", claimed(queue)["lease_token"], back_off_s=0.0)
    assert queue.forget("job-1", "acme") is False
    assert queue.forget("job-1", "globex", timedelta(0)) is False
    assert queue.forget("job-1", "acme", timedelta(0)) is True
    assert {key for key in driver.keys("*") if driver.ttl(key) == -1} == {"ai:sequence"}


def test_a_job_that_is_not_finished_is_not_forgotten(queue: Queue) -> None:
    queue.enqueue(**job())
    assert queue.forget("job-1", "acme", timedelta(0)) is False
    assert claimed(queue)["job_id"] == "job-1"


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(queue: Queue, bad: float) -> None:
    for call in (
        lambda: queue.claim("w-1", bad),
        lambda: queue.heartbeat("job-1", 1, bad),
        lambda: queue.fail("job-1", 1, None, bad),
    ):
        with pytest.raises(ValueError, match="must be 0 seconds or more"):
            call()


def test_waiting_for_no_time_does_not_wait_for_ever(queue: Queue) -> None:
    queue.wait(0)
    assert queue.get_queue_depth() == 0


def test_a_result_that_is_no_json_fails_the_attempt_and_not_the_worker(
    queue: Queue,
) -> None:
    queue.enqueue(**job())

    def handle(_: dict[str, Any]) -> object:
        worker.stop()
        return object()

    worker = Worker(queue, handle, "w-1", back_off_s=0.0)
    assert worker.run(on_sigterm=False) == 0
    assert claimed(queue)["attempt"] == 2


# The signals are the job's own: one sent from outside as soon as the job says that it is at work may still meet it
# saying so.
WORKER = """
import signal, sys
from midpipe.reference import Queue
from midpipe.reference.scripts import Durability
from midpipe.reference.worker import Worker

def handle(job):
    for _ in range(int(sys.argv[1])):
        signal.raise_signal(signal.SIGTERM)
    return {"by": "a process"}

print("completed", Worker(Queue(), handle, "w-1").run(), flush=True)
"""


@pytest.fixture
def worker_process(server: Server) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    with ExitStack() as started:

        def start(jobs: int) -> subprocess.Popen[str]:
            return started.enter_context(
                running(
                    [sys.executable, "-c", WORKER, str(jobs)],
                    env={**os.environ, "REDIS_URL": f"unix://{server.address.path}"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            )

        yield start


def last_words(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.read().strip()


def test_a_worker_process_that_gets_sigterm_finishes_its_job_and_takes_no_other(
    queue: Queue, worker_process: Callable[[int], subprocess.Popen[str]]
) -> None:
    queue.enqueue(**job())
    queue.enqueue(**job("job-2"))
    process = worker_process(1)
    assert last_words(process) == "completed 1"
    assert process.wait() == 0
    assert (status(queue), queue.get_queue_depth()) == ("completed", 1)


def test_a_worker_process_that_gets_sigterm_twice_gives_its_job_back(
    queue: Queue, worker_process: Callable[[int], subprocess.Popen[str]]
) -> None:
    queue.enqueue(**job())
    process = worker_process(2)
    assert last_words(process) == "completed 0"
    assert process.wait() == 0
    assert claimed(queue, "w-2")["attempt"] == 1


def test_an_idle_worker_process_ends_at_sigterm(
    queue: Queue, worker_process: Callable[[int], subprocess.Popen[str]]
) -> None:
    queue.enqueue(**job())
    process = worker_process(0)
    while status(queue) != "completed":
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    assert last_words(process) == "completed 1"
    assert process.wait() == 0
