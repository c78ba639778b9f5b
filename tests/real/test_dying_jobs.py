"""A job that ends its worker's process may do so during recovery; then another worker must get it once more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from midpipe.faultinject.servers.opening import STEPPED, ServerSpec
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec

QUEUES = '''
import json

import midpipe_job
import redis

ENQUEUE = """
if redis.call('SADD', 'known', ARGV[1]) == 1 then redis.call('RPUSH', 'waiting', ARGV[1]) end
redis.call('HSET', 'payloads', ARGV[1], ARGV[2])
"""
TAKE = """
local id = redis.call('LPOP', 'waiting')
if id then redis.call('ZADD', 'running', redis.call('TIME')[1] + 10, id) end
return id
"""
PUT_BACK = """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'running', '-inf', redis.call('TIME')[1])) do
  redis.call('ZREM', 'running', id)
  if redis.call('HINCRBY', 'deaths', id, 1) < tonumber(ARGV[1]) then redis.call('RPUSH', 'waiting', id) end
end
"""


class Leased:
    promises = {"delivery": "at-least-once", "recovers_within_s": 12}
    most_deaths = 100

    def __init__(self, url):
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id, payload=None):
        self.redis.eval(ENQUEUE, 0, job_id, json.dumps(payload))

    def work(self, jobs=1):
        for _ in range(jobs):
            job_id = self.redis.eval(TAKE, 0)
            if job_id is None:
                return
            midpipe_job.run(job_id, json.loads(self.redis.hget("payloads", job_id)))
            self.redis.zrem("running", job_id)

    def tick(self):
        self.redis.eval(PUT_BACK, 0, self.most_deaths)


class GivesUp(Leased):
    most_deaths = 2
'''


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with closing(Worker(ServerSpec(clock=STEPPED))) as started:
        yield started


@pytest.mark.parametrize(("queue", "expected"), [("Leased", set()), ("GivesUp", {"no-stuck-job"})])
def test_recovery_waits_again_for_a_job_that_has_ended_its_worker(
    worker: Worker, tmp_path: Path, queue: str, expected: set[str]
) -> None:
    file = tmp_path / "queues.py"
    file.write_text(QUEUES)
    record = replay_case(
        worker, SubjectSpec(f"{file}:{queue}"), "die-then-work: A1:EVAL!crash", 5_000.0
    ).record
    assert record.is_valid, record.invalid_reason
    assert record.violated_invariants == expected
