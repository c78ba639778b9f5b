"""Queues whose data is unusual: streams, pickled jobs, large results. Their cases are judged like any other's."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Completion, Operation
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import SUITES
from tests.real.commands import ran
from tests.real.test_reduction_is_sound import compare

STREAM = """
import redis

class Queue:
    '''Looks for the request, and adds it to a stream if it is new: two clients may both find it new.'''

    def __init__(self, url):
        self._redis = redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id, client_request_id=None, **named):
        request = client_request_id or job_id
        if any(fields["request"] == request for _, fields in self._redis.xrange("jobs")):
            return False
        self._redis.xadd("jobs", {"job": job_id, "request": request})
        return True

    def get_job(self, job_id, workspace_id=None):
        found = [fields for _, fields in self._redis.xrange("jobs") if fields["job"] == job_id]
        return {"job_id": job_id, "status": "pending"} if found else None
"""
PICKLED = """
import pickle
import redis

class Queue:
    def __init__(self, url):
        self._redis = redis.from_url(url)

    def enqueue(self, job_id, **named):
        job = pickle.dumps({"job_id": job_id, "status": "pending", **named}, protocol=4)
        if not self._redis.hsetnx(b"jobs\\xff", job_id, job):
            return False
        self._redis.rpush("waiting", job)
        return True

    def get_job(self, job_id, workspace_id=None):
        job = self._redis.hget(b"jobs\\xff", job_id)
        return pickle.loads(job) if job else None
"""


@pytest.fixture
def stream(tmp_path: Path) -> str:
    (tmp_path / "stream_queue.py").write_text(STREAM)
    return f"{tmp_path / 'stream_queue.py'}:Queue"


def run(worker: Worker, replay: str, subject: str) -> CaseRecord:
    return replay_case(worker, SubjectSpec(subject), replay, 5_000.0).record


def calls(record: CaseRecord) -> list[Operation]:
    return [operation for operation in record.history if operation.client == "A"]


def test_an_entry_added_to_an_existing_stream_counts_as_written(
    worker: Worker, stream: str
) -> None:
    record = run(worker, "written(A enqueue job-1, A enqueue job-2): A4:XADD!lost-reply", stream)
    assert record.is_valid, record.invalid_reason
    assert [(call.completion, call.wrote) for call in calls(record)][1] == (Completion.INFO, True)


@pytest.mark.parametrize("faults", [0, 1])
def test_no_order_of_a_queue_on_a_stream_is_pruned_wrongly(
    worker: Worker, stream: str, faults: int
) -> None:
    compare(worker, stream, SUITES["interleave"]["same-request-twice"], faults, 2)


def test_a_queue_of_pickles_is_swept_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "pickled_queue.py").write_text(PICKLED)
    words = ("--subject", "pickled_queue.py:Queue", "--program", "same-job-again", "--jobs", "1")
    code, output, errors = ran("sweep", *words, cwd=tmp_path)
    assert (code, "Traceback" in errors) == (0, False), output + errors
