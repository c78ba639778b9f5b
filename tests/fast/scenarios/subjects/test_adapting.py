"""Writing adapters: which method plays which part, and what the adapter calls."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.subjects.adapting import Plan, adapter_text, missing_roles, roles_of
from midpipe.scenarios.subjects.signatures import ClassSignature, read_class


def read(folder: Path, source: str) -> ClassSignature:
    file = folder / "jobs.py"
    file.write_text(dedent(source))
    return read_class(file, "Jobs")


def adapter(kind: ClassSignature) -> str:
    text = adapter_text(Plan("shop.jobs", kind, roles_of(kind, {}), {}))
    compile(text, "adapter", "exec")
    return text


def test_parts_are_recognised_by_the_first_word_of_a_method_s_name(tmp_path: Path) -> None:
    kind = read(
        tmp_path,
        """
        class Base:
            def ack_job(self, job_id): ...
        class Jobs(Base):
            def __init__(self, redis): ...
            def push_job(self, job): ...
            def _pop(self): ...
            def next_job(self): ...
        """,
    )
    roles = {role: method.name for role, method in roles_of(kind, {}).items()}
    assert roles == {"enqueue": "push_job", "ack": "ack_job"}
    assert missing_roles(roles_of(kind, {})) == ("pop",)
    assert roles_of(kind, {"pop": "next_job"})["pop"].name == "next_job"


def test_an_async_queue_with_its_own_worker_gets_the_job_s_body_as_its_handler(
    tmp_path: Path,
) -> None:
    text = adapter(
        read(
            tmp_path,
            """
            class Jobs:
                def __init__(self, client, name): ...
                async def put(self, body: bytes, *, priority=0): ...
                async def run_once(self, handler, timeout: int = 5): ...
            """,
        )
    )
    assert 'Jobs(name="midpipe", client=redis.asyncio.Redis.from_url(url))' in text
    assert 'await self.queue.put(body=json.dumps({"job_id": job_id, "payload": payload}))' in text
    assert "await self.queue.run_once(handler=midpipe_job.run_taken, timeout=1)" in text


def test_a_worker_that_reports_failed_jobs_does_so(tmp_path: Path) -> None:
    text = adapter(
        read(
            tmp_path,
            """
            class Jobs:
                def __init__(self, url): ...
                def send(self, job_id, data) -> bool: ...
                def receive(self): ...
                def ack(self, message_id): ...
                def nack(self, job_id, reason="failed"): ...
            """,
        )
    )
    assert "return self.queue.send(job_id=job_id, data=payload)" in text
    assert "self.queue.ack(message_id=taken[0])" in text
    assert "self.queue.nack(job_id=midpipe_job.id_of(taken))" in text


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "def __init__(self): ...\n    def push(self, job): ...",
            "neither a Redis URL nor a client",
        ),
        ("def __init__(self, url, colour): ...\n    def push(self, job): ...", "'colour'"),
        ("def __init__(self, url): ...\n    def push(self): ...", "takes no argument"),
    ],
)
def test_what_midpipe_can_t_guess_is_refused(tmp_path: Path, source: str, says: str) -> None:
    kind = read(tmp_path, f"class Jobs:\n    {source}\n    def pop(self): ...\n")
    with pytest.raises(UsageError, match=says):
        adapter(kind)
