"""A client whose first call has its turn after time has passed sends the time of its turn, not that of the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Phase, job_received
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec

BY_ITS_OWN_TIME = """
import time

from midpipe.scenarios.flaws.failing import LEASES
from midpipe.scenarios.flaws.others_waiting import FencingQueue, TOKENS
from midpipe.scenarios.flaws.workers import WAITING

TAKE = '''
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])) do
  redis.call('ZREM', KEYS[2], id)
  redis.call('RPUSH', KEYS[1], id)
end
local id = redis.call('LPOP', KEYS[1])
if not id then return false end
redis.call('ZADD', KEYS[2], ARGV[2], id)
return {id, redis.call('HINCRBY', KEYS[3], id, 1)}
'''


class Sound(FencingQueue):
    def claim(self, worker_id, lease_s=30.0):
        now_s = time.time()
        taken = self.redis.eval(TAKE, 3, WAITING, LEASES, TOKENS, now_s, now_s + lease_s)
        return {"job_id": taken[0], "lease_token": taken[1]} if taken else None


class Flawed(Sound):
    def complete(self, job_id, lease_token):
        done = super().complete(job_id, lease_token)
        if not done:
            self.redis.srem("shop:ids", job_id)
        return done
"""


@pytest.fixture
def queues(worker: Worker, tmp_path: Path) -> Path:
    if not worker.clock.is_stepped:
        pytest.skip(f"no stepped clock here: {worker.clock.reason}")
    file = tmp_path / "by_its_own_time.py"
    file.write_text(BY_ITS_OWN_TIME)
    return file


def record_of(worker: Worker, subject: str, line: str) -> CaseRecord:
    replayed = replay_case(worker, SubjectSpec(subject), line, 5_000.0)
    assert (replayed.record.invalid_reason, replayed.unplaced) == ("", ())
    return replayed.record


@pytest.mark.parametrize("line", ["finish-vs-reclaim: A1 B1", "claim-vs-claim: A1 B1:EVAL!elapse"])
def test_a_worker_that_begins_after_a_lease_has_ended_receives_the_job(
    worker: Worker, queues: Path, line: str
) -> None:
    record = record_of(worker, f"{queues}:Sound", line)
    claims = {
        call.client: job_received(call)
        for call in record.history
        if call.method == "claim" and call.phase is Phase.PROGRAM
    }
    assert claims == {"A": "job-1", "B": "job-1"}
    assert set(record.violated_invariants) == set()


def test_a_flaw_that_takes_the_end_of_a_lease_is_found_if_the_client_computes_it(
    worker: Worker, queues: Path
) -> None:
    record = record_of(worker, f"{queues}:Flawed", "stale-finish-then-enqueue: A1 B1")
    assert set(record.violated_invariants) == {"no-duplicate"}


def test_a_case_in_which_a_call_begins_anew_is_the_same_each_time(
    worker: Worker, queues: Path
) -> None:
    line = "stale-finish-then-enqueue: A1 B1:EVAL!lost-reply"
    shapes = {record_of(worker, f"{queues}:Sound", line).shape() for _ in range(5)}
    assert len(shapes) == 1
