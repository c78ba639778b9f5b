"""A case whose planned fault does not happen says what its client did instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec

QUEUE = """
import redis

class Queue:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url)

    def enqueue(self, job_id):
        self.redis.rpush("jobs", job_id)

    def dequeue(self):
        return self.redis.lpop("jobs")
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unfired") / "queue.py"
    path.write_text(QUEUE)
    return path


@pytest.mark.parametrize(
    ("step", "because"),
    [
        ("A2!lost-reply", "A sent 1 command only, and enqueue returned"),
        ("A1:LPUSH!lost-reply", "that command is RPUSH"),
        ("A:RPUSH:jobs#2!lost-reply", "A sent RPUSH jobs 1 time only, and enqueue returned"),
        (
            "A:LPUSH:jobs#1!lost-reply",
            "A sent RPUSH jobs instead of LPUSH jobs, and enqueue returned",
        ),
        ("A/1/2:RPUSH:jobs#1!lost-reply", "A sent no command, and no such call ended"),
    ],
)
def test_the_reason_names_the_step_and_what_the_client_did_instead(
    worker: Worker, file: Path, step: str, because: str
) -> None:
    run = replay_case(worker, SubjectSpec(f"{file}:Queue"), f"enqueue: {step}", 5_000.0)
    expected = f"0 of 1 planned faults fired: {step} did not, because {because}"
    assert run.record.invalid_reason == expected


def test_a_fault_that_happened_is_not_named(worker: Worker, file: Path) -> None:
    line = "enqueue: A1:RPUSH!lost-reply A9!lost-reply"
    reason = replay_case(worker, SubjectSpec(f"{file}:Queue"), line, 5_000.0).record.invalid_reason
    assert reason.startswith("1 of 2 planned faults fired: A9!lost-reply did not, because A sent")
