"""A time-out that no fault planned makes a case invalid, and it is run again with more patience.

A busy machine is simulated by subjects that run into their short time-out as often as a starved process would, and no
more once the time-out has become long enough.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Completion
from midpipe.scenarios.model.spec import SubjectSpec

STARVED = """
import time
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ENOUGH_S = 0.05


def time_out_of(url):
    return float(parse_qs(urlsplit(url).query)["socket_timeout"][0])


class Queue:
    '''Puts a job into a hash and a list, in one transaction; the same job again changes nothing.'''

    retries = 0

    def __init__(self, url):
        self.time_out_s = time_out_of(url)
        retry = Retry(NoBackoff(), self.retries)
        self.redis = redis.from_url(url, decode_responses=True, retry=retry)

    def enqueue(self, job_id, **named):
        with self.redis.pipeline() as block:
            block.hsetnx("jobs", job_id, "pending")
            block.execute()
        if job_id not in self.redis.lrange("waiting", 0, -1):
            self.redis.rpush("waiting", job_id)
        return True

    def get_job(self, job_id, workspace_id=None):
        status = self.redis.hget("jobs", job_id)
        return {"job_id": job_id, "status": status} if status else None

    def dequeue(self):
        return self.redis.lpop("waiting")


class RaisesTimeOuts(Queue):
    '''Every retry of a call raises a time-out, as when the answer to the connection's first command comes too late.'''

    calls = 0

    def enqueue(self, job_id, **named):
        self.calls += 1
        if self.calls > 1 and self.time_out_s < ENOUGH_S:
            time.sleep(self.time_out_s)
            raise TimeoutError("Timeout reading from socket")
        return super().enqueue(job_id, **named)


class Late(redis.Connection):
    '''An answer that has arrived is not read in time, as under asyncio when a timer is due as well.'''

    def read_response(self, *args, **named):
        answer = super().read_response(*args, **named)
        if self.socket_timeout < ENOUGH_S and type(answer) is int:
            time.sleep(self.socket_timeout)
            self.disconnect()
            raise redis.TimeoutError("Timeout reading from socket")
        return answer


class SendsAgain(Queue):
    '''The driver sends the command again by itself when it has not read the answer in time, and it runs twice.'''

    retries = 1

    def __init__(self, url):
        super().__init__(url)
        pool = self.redis.connection_pool
        pool.connection_class = Late

    def enqueue(self, job_id, **named):
        self.redis.hsetnx("jobs", job_id, "pending")
        self.redis.rpush("waiting", job_id)
        return True


class NeedsLongToConnect(Queue):
    '''The constructor waits for an answer, and with a short time-out that comes too late.'''

    def __init__(self, url):
        super().__init__(url)
        self.redis.ping()
        if self.time_out_s < ENOUGH_S:
            time.sleep(self.time_out_s)
            raise TimeoutError("Timeout connecting to server")
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("starved") / "starved_queue.py"
    written.write_text(STARVED)
    return written


@pytest.mark.parametrize(
    ("queue", "replay"),
    [
        ("RaisesTimeOuts", "enqueue: A1:EXEC!late"),
        ("SendsAgain", "enqueue: A1:HSETNX!black-hole"),
        ("NeedsLongToConnect", "enqueue: A1:EXEC!stall"),
    ],
)
def test_a_time_out_that_no_fault_planned_is_no_finding(
    wall_worker: Worker, file: Path, queue: str, replay: str
) -> None:
    record = replay_case(wall_worker, SubjectSpec(f"{file}:{queue}"), replay, 5_000.0).record
    assert (record.invalid_reason, record.violations) == ("", ())
    assert (record.faults, record.patience > 1) == (1, True)


def test_the_time_out_of_the_command_with_the_fault_is_the_callers_to_see(
    worker: Worker, file: Path
) -> None:
    record = replay_case(
        worker, SubjectSpec(f"{file}:Queue"), "enqueue: A1:EXEC!late", 5_000.0
    ).record
    first, second = (call for call in record.history if call.client == "A")
    assert first.error is not None
    assert (first.error.type, second.completion) == ("TimeoutError", Completion.OK)
