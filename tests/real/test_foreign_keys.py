"""A sound queue with keys of its own: what only the review's keys can show is not asked of it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.fuzz.sometimes import required_events
from midpipe.scenarios.fuzz.task import FuzzTask
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone, FuzzBatch
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import PROGRAMS

SOURCE = '''
import json, re
import redis

PUT = """
if ARGV[1] ~= '' and redis.call('EXISTS', KEYS[3]) == 1 or redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('RPUSH', KEYS[2], ARGV[3])
if ARGV[1] ~= '' then redis.call('SET', KEYS[3], ARGV[3]) end
return 1
"""
MOVE = """
local rank = {pending = 0, running = 1, completed = 2, failed = 2}
local job = redis.call('GET', KEYS[1])
if job and rank[ARGV[1]] > rank[cjson.decode(job).status] then
  redis.call('SET', KEYS[1], (string.gsub(job, '"status": "%a+"', '"status": "' .. ARGV[1] .. '"')))
end
"""

class Q:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id, action_provider, action_name, params, workspace_id, actor_id, client_request_id=None):
        if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,31}", workspace_id or "") or not job_id:
            raise ValueError("workspace_id or job_id")
        job = {"job_id": job_id, "params": params, "workspace_id": workspace_id, "status": "pending"}
        keys = [f"own:{workspace_id}:{job_id}", "own:line", f"own:request:{workspace_id}:{client_request_id}"]
        return self.redis.eval(PUT, 3, *keys, client_request_id or "", json.dumps(job), job_id) == 1

    def get_job(self, job_id, workspace_id=None):
        job = self.redis.get(f"own:{workspace_id}:{job_id}")
        return json.loads(job) if job else None

    def update_status(self, job_id, status, result=None, workspace_id=None):
        if status not in ("pending", "running", "completed", "failed"):
            raise ValueError("status")
        self.redis.eval(MOVE, 1, f"own:{workspace_id}:{job_id}", status)
'''

READS_OLD = """
import json
import redis

class Q:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id, action_provider, action_name, params, workspace_id, actor_id, client_request_id=None):
        job = {"job_id": job_id, "params": json.dumps(params), "workspace_id": workspace_id, "status": "pending"}
        with self.redis.pipeline() as pipe:
            pipe.hset(f"ai:jobs:{job_id}", mapping=job).hset(f"ai:job:{workspace_id}:{job_id}", mapping=job)
            pipe.rpush("ai:queue:pending", job_id).execute()
        return True

    def get_job(self, job_id, workspace_id=None):
        job = self.redis.hgetall(f"ai:jobs:{job_id}")
        return {**job, "params": json.loads(job["params"])} if job else None

    def list_jobs(self, workspace_id=None, status=None, limit=100):
        return [self.get_job(key.removeprefix("ai:jobs:")) for key in self.redis.keys("ai:jobs:*")]
"""


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> SubjectSpec:
    file = tmp_path_factory.mktemp("foreign") / "queue.py"
    file.write_text(SOURCE)
    return SubjectSpec(f"{file}:Q")


SEEDED = sorted(
    name
    for name, program in PROGRAMS.items()
    if program.seed and program.methods <= {"enqueue", "get_job", "update_status"}
)


@pytest.mark.parametrize("program", SEEDED)
def test_no_program_begins_with_a_job_that_it_can_not_know(
    worker: Worker, subject: SubjectSpec, program: str
) -> None:
    (done,) = worker.do(
        SweepTask(subject, program, shard=(0, 1), max_faults=0, latency_bound_ms=5_000.0)
    )
    assert isinstance(done, ExplorationDone)
    assert "jobs in the reference queue's keys" in done.missing


READS_BOTH = READS_OLD.replace(
    'hgetall(f"ai:jobs:{job_id}")',
    'hgetall(f"ai:job:{workspace_id}:{job_id}") or self.redis.hgetall(f"ai:jobs:{job_id}")',
)


@pytest.mark.parametrize(
    ("source", "declaration", "is_taken"),
    [
        (READS_OLD, "promises = {'schemas': 'dual'}", False),
        (READS_BOTH, "", False),
        (READS_BOTH, "promises = {'schemas': 'dual'}", True),
        (READS_BOTH, "def cleanup(self): return 0", True),
    ],
    ids=["reads-old", "no-migration", "declares-both", "has-a-step"],
)
def test_the_old_schema_is_taken_only_from_a_queue_that_is_migrated_and_reads_the_other(
    worker: Worker, tmp_path: Path, source: str, declaration: str, is_taken: bool
) -> None:
    file = tmp_path / "queue.py"
    file.write_text(f"{source}\n    {declaration}\n")
    *_, done = worker.do(
        SweepTask(
            SubjectSpec(f"{file}:Q"),
            "list-new-only",
            shard=(0, 1),
            max_faults=0,
            latency_bound_ms=5_000.0,
        )
    )
    assert isinstance(done, ExplorationDone)
    missing = ("migration that leaves jobs in the new schema alone",)
    assert done.missing == (() if is_taken else missing)


def test_an_update_before_the_job_is_there_may_do_nothing(
    worker: Worker, subject: SubjectSpec
) -> None:
    line = "written(A update job-1 running, A get job-1, A enqueue job-1, A get job-1):"
    assert replay_case(worker, subject, line, 5_000.0).record.violations == ()


def test_fuzzing_finds_nothing_and_waits_for_nothing_that_can_not_happen(
    worker: Worker, subject: SubjectSpec
) -> None:
    met: Counter[str] = Counter()
    cases = 0
    for message in worker.do(
        FuzzTask(subject, seed=7, latency_bound_ms=5_000.0, deadline_s=time.monotonic() + 30.0)
    ):
        if isinstance(message, CaseEnded):
            cases += 1
            assert (message.replay, message.violations) == (message.replay, ())
        elif isinstance(message, FuzzBatch):
            met.update(message.sometimes)
            if cases > 50:
                break
    assert set(met) == set(required_events(worker.rig(subject).traits))
