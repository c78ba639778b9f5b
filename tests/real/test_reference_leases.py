"""The worker's side of the reference: leases, tokens, back-off, dead letters, and a worker that is told to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

from reference import Queue
from reference.worker import Worker
from tests.real.queues import job, queue_on


@pytest.fixture
def queue(driver: Any) -> Queue:
    return queue_on(driver)


def claimed(queue: Queue, worker: str = "w-1", lease_s: float = 30.0) -> dict[str, Any]:
    found = queue.claim(worker, lease_s)
    assert found is not None
    return found


def status(queue: Queue) -> str:
    found = queue.get_job("job-1", "acme")
    assert found is not None
    return str(found["status"])


def test_a_claimed_job_is_running_and_nobody_else_gets_it(queue: Queue) -> None:
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


def test_a_heartbeat_keeps_the_lease(queue: Queue) -> None:
    queue.enqueue(**job())
    held = claimed(queue, "w-1", 0.05)
    assert queue.heartbeat("job-1", held["lease_token"], 30.0) is True
    time.sleep(0.06)
    assert queue.claim("w-2") is None


def test_a_failed_job_is_given_out_again_after_its_back_off(queue: Queue) -> None:
    queue.enqueue(**job())
    held = claimed(queue)
    assert queue.fail("job-1", held["lease_token"], back_off_s=0.05) is True
    assert queue.claim("w-2") is None
    time.sleep(0.06)
    assert claimed(queue, "w-2")["attempt"] == 2


def test_a_job_that_fails_too_often_becomes_a_dead_letter(queue: Queue, driver: Any) -> None:
    queue.enqueue(**job())
    for _ in range(queue.max_attempts):
        held = claimed(queue)
        queue.fail("job-1", held["lease_token"], {"why": "no"}, back_off_s=0.0)
    assert (queue.claim("w-1"), status(queue)) == (None, "failed")
    assert driver.lrange("ai:queue:dead", 0, -1) == ["job-1"]


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
    queue.wait(5.0)
    timer.join()
    assert time.monotonic() - begun_s < 1.0
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
    with pytest.raises(KeyboardInterrupt):
        worker.run(on_sigterm=False)
    assert claimed(queue, "w-2")["attempt"] == 2
