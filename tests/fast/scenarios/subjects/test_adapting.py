"""Writing adapters: which method plays which part, and what the adapter calls."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.subjects.adapting import Plan, adapter_text
from midpipe.scenarios.subjects.roles import missing_roles, roles_of
from midpipe.scenarios.subjects.signatures import ClassSignature, read_class


def read(folder: Path, source: str) -> ClassSignature:
    file = folder / "jobs.py"
    file.write_text(dedent(source))
    return read_class(file, "Jobs")


def adapter(kind: ClassSignature) -> str:
    text = adapter_text(Plan("shop.jobs", kind, roles_of(kind, {}), {}))
    compile(text, "adapter", "exec")
    return text


def test_parts_are_recognised_by_the_words_of_a_method_s_name(tmp_path: Path) -> None:
    kind = read(
        tmp_path,
        """
        class Base:
            def job_done(self, job_id): ...
        class Jobs(Base):
            def __init__(self, redis): ...
            def push_job(self, job): ...
            def get_job(self, job_id): ...
            def _pop(self): ...
            def hand_out(self): ...
            def restore_stuck_jobs(self): ...
        """,
    )
    roles = {role: method.name for role, method in roles_of(kind, {}).items()}
    assert roles == {"enqueue": "push_job", "ack": "job_done", "tick": "restore_stuck_jobs"}
    assert missing_roles(roles_of(kind, {})) == ("pop",)
    assert roles_of(kind, {"pop": "hand_out"})["pop"].name == "hand_out"


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
    job = '{"job_id": job_id, "payload": payload}'
    assert f"return self.queue.send(job_id=job_id, data={job})" in text
    assert "self.queue.ack(message_id=midpipe_job.receipt_of(taken))" in text
    assert "self.queue.nack(job_id=midpipe_job.id_of(taken))" in text


@pytest.mark.parametrize(
    ("methods", "calls"),
    [
        ("def put(self, job, delay=0): ...", "put(job={job}, delay=delay_s)"),
        ("def put(self, kind, data): ...", None),
        ("def put(self, queue, data): ...", 'put(queue="midpipe", data={job})'),
        ("def put(self, id, ttl=60): ...", "put(id=job_id)"),
        ("def put(self, **fields): ...", "put(job_id=job_id, payload=json.dumps(payload))"),
        ("def pop(self, block=False, timeout=None): ...", "pop(timeout=0.2)"),
        ("def pop(self, block_ms=5000): ...", "pop(block_ms=200)"),
        ("def ack(self, id): ...", "ack(id=midpipe_job.receipt_of(taken))"),
        ("def work(self, timeout: int): ...", "work(timeout=1)"),
    ],
)
def test_arguments_are_recognised_by_their_names_and_defaults(
    tmp_path: Path, methods: str, calls: str | None
) -> None:
    whole = {"put": "def put(self, job): ...", "pop": "def pop(self): ..."}
    whole[methods.split("(")[0].removeprefix("def ")] = methods
    text = "\n    ".join(("class Jobs:", "def __init__(self, url): ...", *whole.values()))
    kind = read(tmp_path, text)
    if calls is None:
        with pytest.raises(UsageError, match="put needs an argument 'kind'"):
            adapter(kind)
        return
    assert calls.replace("{job}", '{"job_id": job_id, "payload": payload}') in adapter(kind)


@pytest.mark.parametrize(
    ("pop", "client"),
    [
        ("return self.redis.lpop('q')", "redis.Redis.from_url(url, decode_responses=True)"),
        ("return self.redis.lpop('q').decode()", "redis.Redis.from_url(url)"),
    ],
)
def test_a_client_decodes_replies_if_the_file_says_so_and_the_class_does_not_decode_them(
    tmp_path: Path, pop: str, client: str
) -> None:
    jobs = f"""
class Jobs:
    def __init__(self, redis): ...
    def put(self, job): ...
    def pop(self):
        {pop}
"""
    made = "def make():\n    return Jobs(Redis(decode_responses=True))\n"
    other = "class Other:\n    def __init__(self):\n        self.r = Redis(decode_responses=True)\n"
    assert f"Jobs(redis={client})" in adapter(read(tmp_path, jobs + made))
    assert "Jobs(redis=redis.Redis.from_url(url))" in adapter(read(tmp_path, jobs + other))


def test_a_constructor_gets_its_own_host_and_port_or_its_handler(tmp_path: Path) -> None:
    text = adapter(
        read(
            tmp_path,
            """
            class Jobs:
                def __init__(self, handler, host="localhost", port=6379, db=0):
                    self.handler = handler
                def put(self, job): ...
                async def run(self):
                    await self.handler(b"")
            """,
        )
    )
    made = "handler=midpipe_job.run_taken_async"
    assert "host=urlsplit(url).hostname, port=urlsplit(url).port" in text
    assert made in text


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "def __init__(self): ...\n    def push(self, job): ...",
            "neither a Redis URL, nor a host and a port, nor a client",
        ),
        ("def __init__(self, url, colour): ...\n    def push(self, job): ...", "'colour'"),
        ("def __init__(self, url): ...\n    def push(self, key): ...", "takes no argument"),
    ],
)
def test_what_midpipe_can_t_guess_is_refused(tmp_path: Path, source: str, says: str) -> None:
    kind = read(tmp_path, f"class Jobs:\n    {source}\n    def pop(self): ...\n")
    with pytest.raises(UsageError, match=says):
        adapter(kind)
