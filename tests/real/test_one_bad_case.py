"""Whatever goes wrong in one case makes that case invalid, and the next one runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from tests.real.commands import ran

QUEUES = """
import os

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


class PopsThenReserves:
    '''A blocking pop takes the job off the list; a second command reserves it.'''

    def __init__(self, url):
        self.redis = redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0))

    def enqueue(self, job_id, **named):
        if self.redis.hsetnx("jobs", job_id, "pending"):
            self.redis.rpush("waiting", job_id)
        return True

    def get_job(self, job_id, workspace_id=None):
        status = self.redis.hget("jobs", job_id)
        return {"job_id": job_id, "status": status} if status else None

    def claim(self, worker_id, lease_s=30.0):
        popped = self.redis.blpop(["waiting"], timeout=0.05)
        if popped is None:
            return None
        self.redis.hset("jobs", popped[1], "running")
        return {"job_id": popped[1], "status": "running", "lease_token": "t"}

    def complete(self, job_id, workspace_id, lease_token, result=None):
        self.redis.hset("jobs", job_id, "completed")
        return True


class RefusesClients(PopsThenReserves):
    '''Can be made for midpipe's own client, whose time-out is 5 s, and for no other.'''

    def __init__(self, url):
        if "socket_timeout=5&" not in url:
            raise RuntimeError("there are too many of us")
        super().__init__(url)


class CannotPrepare(PopsThenReserves):
    '''Takes the first job of all, which midpipe asks what the queue can do, and no other.'''

    def enqueue(self, job_id, **named):
        if os.path.exists(__file__ + ".used"):
            raise RuntimeError("on closed pool")
        open(__file__ + ".used", "w").close()
        return super().enqueue(job_id, **named)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("bad-case") / "queues.py"
    written.write_text(QUEUES)
    return written


def replayed(worker: Worker, text: str, subject: str = REFERENCE) -> CaseRecord:
    return replay_case(worker, SubjectSpec(subject), text, 5_000.0).record


@pytest.mark.parametrize("fault", ["misconf", "oom", "readonly", "noperm", "pause", "client-kill"])
def test_what_is_done_to_the_server_at_a_blocking_command_leaves_the_case_valid(
    worker: Worker, file: Path, fault: str
) -> None:
    record = replayed(worker, f"claim-complete: A1:BLPOP!{fault}", f"{file}:PopsThenReserves")
    assert (record.invalid_reason, record.faults) == ("", 1)


def test_a_constructor_that_raises_makes_its_case_invalid_and_says_what_it_raised(
    worker: Worker, file: Path
) -> None:
    record = replayed(worker, "enqueue:", f"{file}:RefusesClients")
    assert "raised RuntimeError: there are too many of us" in record.invalid_reason
    assert replayed(worker, "enqueue:", f"{file}:PopsThenReserves").is_valid


def test_a_sweep_whose_cases_are_all_invalid_ends_in_unknown(file: Path, tmp_path: Path) -> None:
    words = ("--subject", f"{file}:RefusesClients", "--program", "enqueue", "--jobs", "1")
    code, output, errors = ran("sweep", *words, cwd=tmp_path)
    # The sentence has a path in it, so it is broken anywhere.
    said = " ".join(output.split())
    assert (code, "there are too many of us" in said) == (3, True), output + errors


def test_a_call_that_raises_before_the_case_makes_it_invalid(worker: Worker, file: Path) -> None:
    record = replayed(worker, "get:", f"{file}:CannotPrepare")
    assert record.invalid_reason == "before the case, enqueue raised RuntimeError: on closed pool"


def test_a_server_that_has_died_is_started_again_for_the_next_try(worker: Worker) -> None:
    assert replayed(worker, "enqueue:").is_valid
    assert isinstance(worker.server, EmbeddedServer)
    os.kill(worker.server.pid, signal.SIGKILL)
    record = replayed(worker, "enqueue: A1:EVALSHA!lost-reply")
    assert (record.invalid_reason, record.violations, record.faults) == ("", (), 1)


def test_an_unexpected_exception_makes_its_case_invalid_and_says_where_it_came_from(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert replayed(worker, "enqueue:").is_valid

    def fail(_: Recorder) -> bool:
        raise ValueError("of an unforeseen kind")

    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "record_state", fail)
        record = replayed(worker, "enqueue:")
    assert record.invalid_reason.startswith(
        "midpipe itself failed with ValueError: of an unforeseen kind at test_one_bad_case.py:"
    )
    assert replayed(worker, "enqueue:").is_valid
