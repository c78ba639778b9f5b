"""Subjects that are hard to direct: pools, subscriptions, sleeps, time-outs and threads of their own.

None of them may hang the engine or be recorded wrongly; what can't be controlled is named by where it differed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.decide.interleave import Interleave
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.explore.fault_selection import selected
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.pairs import PAIRS
from tests.real.exploring import orders_of

SUBJECTS = '''
import threading
import time

import redis

from midpipe.reference import Queue


class Plain(Queue):
    driver_retries = 0

    def __init__(self, url):
        super().__init__(url)
        self._url = url


class SeveralConnections(Plain):
    """Looks over one connection and writes over another, as a queue with a reader and a writer does."""

    def __init__(self, url):
        super().__init__(url)
        self._reader = redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id, *args, client_request_id=None, **named):
        if self._reader.exists("ai:idempotency:acme:" + str(client_request_id)):
            return False
        named["client_request_id"] = client_request_id
        return super().enqueue(job_id, *args, **named)


class NewConnectionEachTime(Plain):
    """Takes a connection from the pool for each command and gives it back closed."""

    def enqueue(self, job_id, *args, **named):
        for _ in range(2):
            with redis.from_url(self._url) as driver:
                driver.exists("ai:jobs:" + job_id)
        return super().enqueue(job_id, *args, **named)


class Subscribed(Plain):
    """Says over one connection what it has enqueued, and hears over another what others have."""

    protocol = 2

    def __init__(self, url):
        super().__init__(url)
        self._driver2 = redis.from_url(url, decode_responses=True, protocol=self.protocol)
        self._subscription = self._driver2.pubsub(ignore_subscribe_messages=True)
        self._subscription.subscribe("jobs")
        self._subscription.get_message(timeout=1)

    def enqueue(self, job_id, *args, **named):
        done = super().enqueue(job_id, *args, **named)
        self._redis.publish("jobs", job_id)
        return done

    def claim(self, worker_id, lease_s=30.0):
        until = time.monotonic() + 0.8
        while time.monotonic() < until:
            found = super().claim(worker_id, lease_s)
            if found or not self._subscription.get_message(timeout=0.4):
                return found
        return None


class SubscribedInResp3(Subscribed):
    protocol = 3


class BacksOff(Plain):
    """Sleeps between its attempts, longer each time."""

    def enqueue(self, *args, **named):
        for attempt in range(3):
            try:
                return super().enqueue(*args, **named)
            except redis.ConnectionError:
                time.sleep(0.02 * (attempt + 1))
        return super().enqueue(*args, **named)


class ShortOfPatience(Plain):
    """Waits 60 ms for an answer, whatever its URL says, and asks again over a new connection."""

    def enqueue(self, job_id, *args, **named):
        url = self._url.partition("?")[0] + "?socket_timeout=0.06"
        for _ in range(2):
            with redis.from_url(url) as driver:
                try:
                    driver.exists("ai:jobs:" + job_id)
                    break
                except redis.TimeoutError:
                    continue
        time.sleep(0.15 if job_id == "job-1" else 0)
        return super().enqueue(job_id, *args, **named)


class BlocksInAnotherThread(Plain):
    """Waits for a job in one thread, and writes from another one when it has computed for a while."""

    def enqueue(self, job_id, *args, **named):
        waiting = threading.Thread(target=self._redis.blpop, args=("midpipe:none", 0.1))
        waiting.start()
        sum(range(5_000_000))
        with redis.from_url(self._url) as other:
            other.set("midpipe:computed", job_id)
        waiting.join()


class InTwoThreads(Plain):
    """Writes from two threads at once: the operating system decides which of them is first."""

    def enqueue(self, job_id, *args, **named):
        def touch(name):
            # A thread is as quick as the machine lets it be; this one is now and then slower.
            time.sleep(0.002 * (time.monotonic_ns() // 1000 % 3))
            self._redis.set("midpipe:" + name, job_id)

        threads = [threading.Thread(target=touch, args=(name,)) for name in ("one:" + job_id, "two:" + job_id)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return super().enqueue(job_id, *args, **named)


class Heartbeating(Plain):
    """A thread of its own touches the server all the time."""

    def __init__(self, url):
        super().__init__(url)
        self._stop = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self):
        while not self._stop.wait(0.003):
            try:
                self._redis.set("midpipe:beat", "x")
            except Exception:
                return

    def close(self):
        self._stop.set()
        super().close()
'''


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("directed") / "directed.py"
    path.write_text(SUBJECTS)
    return path


def cases_of(
    worker: Worker, subject: SubjectSpec, program: str, faults: int = 0
) -> list[CaseEnded]:
    placed = selected(True, ("cut-before", "lost-reply"))
    planner = Interleave(2, faults, placed)
    return list(explore(worker.rig(subject), PAIRS[program], planner))


@pytest.mark.parametrize(
    ("name", "program", "faults"),
    [
        ("SeveralConnections", "same-request-twice", 0),
        ("NewConnectionEachTime", "same-job-twice", 0),
        ("Subscribed", "same-job-twice", 0),
        ("SubscribedInResp3", "same-job-twice", 0),
        ("BacksOff", "same-request-twice", 1),
    ],
)
def test_every_order_is_run_as_planned_and_twice_to_the_same_end(
    worker: Worker, file: Path, name: str, program: str, faults: int
) -> None:
    def run() -> list[tuple[str, str, tuple[str, ...]]]:
        return [
            (case.replay, case.invalid_reason, tuple(v.invariant for v in case.violations))
            for case in cases_of(worker, SubjectSpec(f"{file}:{name}"), program, faults)
        ]

    once = run()
    assert {invalid_reason for _, invalid_reason, _ in once} == {""}
    assert run() == once


@pytest.mark.parametrize("name", ["Subscribed", "SubscribedInResp3"])
def test_a_worker_that_waits_for_a_message_hears_of_the_job_that_is_enqueued_meanwhile(
    worker: Worker, file: Path, name: str
) -> None:
    schedule = "enqueue-vs-claim: B1 A1 A2"
    runs = [replay_case(worker, SubjectSpec(f"{file}:{name}"), schedule, 5_000.0) for _ in range(3)]
    claims = [
        o.value
        for run in runs
        for o in run.record.history
        if o.method == "claim" and o.client == "B"
    ]
    assert [run.record.invalid_reason for run in runs] == [""] * 3
    assert [isinstance(value, dict) and value["job_id"] for value in claims] == ["job-1"] * 3
    assert len({run.record.shape() for run in runs}) == 1


def test_a_client_that_loses_patience_while_another_sleeps_is_named(
    worker: Worker, file: Path
) -> None:
    task = orders_of(SubjectSpec(f"{file}:ShortOfPatience"), "same-job-twice")
    *cases, done = worker.do(task)
    assert isinstance(done, ExplorationDone)
    invalid_reasons = {case.invalid_reason for case in cases if isinstance(case, CaseEnded)}
    assert all(
        "gave up on a command" in invalid_reason
        for invalid_reason in invalid_reasons
        if invalid_reason
    ), invalid_reasons


def test_no_time_passes_for_a_blocked_command_while_another_connection_has_one_to_send(
    worker: Worker, file: Path
) -> None:
    subject = SubjectSpec(f"{file}:BlocksInAnotherThread")
    record = replay_case(worker, subject, "enqueue-once:", 5_000.0).record
    assert record.is_valid, record.invalid_reason
    assert [step.event.index.name for step in record.steps] == ["SET", "BLPOP"]


@pytest.mark.parametrize("name", ["InTwoThreads", "Heartbeating"])
def test_threads_of_a_client_s_own_are_found_out_and_named_by_the_event_that_differed(
    worker: Worker, file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("midpipe.scenarios.explore.interleaving.RUNS_IF_NONDETERMINISTIC", 10)
    task = orders_of(SubjectSpec(f"{file}:{name}"), "same-job-twice")
    ends = (message for _ in range(10) for message in worker.do(task))
    done = next(end for end in ends if isinstance(end, ExplorationDone) and end.nondeterministic)
    assert "wire event" in done.nondeterministic
    assert any(row.fault == "none (sampled)" for row in done.ledger)
