"""The line of the subject's code that sent a command: synchronous, in a pipeline, in asyncio, in another file."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.story import CommandSource

BOUND_MS = 5_000.0

SYNC = """
import redis
from storage import save


class Queue:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url)

    def enqueue(self, job_id, **job):
        self.redis.set("seen", 1)  # line: set
        with self.redis.pipeline() as block:
            block.hset("job:" + job_id, "status", "pending")  # line: hset
            block.rpush("jobs", job_id)  # line: rpush
            block.execute()  # line: execute
        save(self.redis, job_id)  # line: call
        return True
"""
STORAGE = """
def save(connection, job_id):
    connection.expire("job:" + job_id, 60)  # line: expire
"""
ASYNC = """
import asyncio
import redis.asyncio


class Queue:
    def __init__(self, url):
        self.redis = redis.asyncio.Redis.from_url(url)

    async def enqueue(self, job_id, **job):
        written = asyncio.Event()
        waiting = [asyncio.create_task(self.wait_for(written)) for _ in range(8)]
        await asyncio.gather(self.write(job_id))
        written.set()
        await asyncio.gather(*waiting)
        return True

    async def wait_for(self, written):
        await written.wait()

    async def write(self, job_id):
        await self.redis.rpush("jobs", job_id)  # line: rpush
"""


def marked(source: str, mark: str) -> int:
    return next(
        number
        for number, line in enumerate(source.splitlines(), 1)
        if line.endswith(f"# line: {mark}")
    )


def sources_of(worker: Worker, directory: Path) -> list[CommandSource]:
    subject = SubjectSpec(f"{directory / 'shop_queue.py'}:Queue")
    run = replay_case(worker, subject, "enqueue-once:", BOUND_MS, traces_sources=True)
    assert run.record.is_valid, run.record.invalid_reason
    return list(run.sources.values())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_command_names_its_line_and_a_pipeline_the_lines_that_queued_it(
    worker: Worker, project: Path
) -> None:
    (project / "shop_queue.py").write_text(SYNC)
    (project / "storage.py").write_text(STORAGE)
    first, block, last = sources_of(worker, project)
    assert (first.sent.file, first.sent.line) == ("shop_queue.py", marked(SYNC, "set"))
    assert first.sent.function == "enqueue"
    assert first.queued == ()
    assert block.sent.line == marked(SYNC, "execute")
    assert [line.line for line in block.queued] == [marked(SYNC, "hset"), marked(SYNC, "rpush")]
    assert [(line.file, line.line) for line in last.frames] == [
        ("storage.py", marked(STORAGE, "expire")),
        ("shop_queue.py", marked(SYNC, "call")),
    ]


def test_of_many_tasks_the_one_that_waits_for_the_reply_names_the_line(
    worker: Worker, project: Path
) -> None:
    (project / "shop_queue.py").write_text(ASYNC)
    (only,) = sources_of(worker, project)
    assert (only.sent.function, only.sent.line) == ("write", marked(ASYNC, "rpush"))


def test_nothing_is_traced_unless_it_is_asked_for(worker: Worker, project: Path) -> None:
    (project / "shop_queue.py").write_text(ASYNC)
    subject = SubjectSpec(f"{project / 'shop_queue.py'}:Queue")
    assert replay_case(worker, subject, "enqueue-once:", BOUND_MS).sources == {}
