"""An audit of the keys that released libraries have written: in order as they are, and damaged as planted."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.external import parse_url
from midpipe.faultinject.servers.node import Node
from midpipe.faultinject.servers.origins import FromBinary
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.audit.audit import AuditPlan, audit
from midpipe.scenarios.audit.layouts import layout_named
from midpipe.scenarios.audit.results import AuditResult
from midpipe.scenarios.subjects.environments import installed

RQ = """
import sys, time, redis, rq
from datetime import timedelta
connection = redis.Redis(unix_socket_path=sys.argv[1])
queue = rq.Queue("midpipe", connection=connection)
for number in range(5):
    queue.enqueue_call(time.sleep, args=(0.0,), job_id=f"job-{number}")
queue.enqueue_in(timedelta(hours=1), time.sleep, 0.0, job_id="job-later")
queue.enqueue_call(time.sleep, args=(0.0,), depends_on="job-4", job_id="job-deferred")
rq.SimpleWorker([queue], connection=connection).work(burst=True, max_jobs=2, logging_level="CRITICAL")
"""
HUEY = """
import sys, huey, redis
pool = redis.ConnectionPool(connection_class=redis.UnixDomainSocketConnection, path=sys.argv[1])
queue = huey.RedisHuey("midpipe", connection_pool=pool, blocking=False)
task = queue.task()(print)
for number in range(5):
    task(number)
task.schedule((9,), delay=3600)
queue.execute(queue.dequeue())
"""
ARQ = """
import asyncio, sys, arq
from arq.connections import RedisSettings, create_pool

async def run(context):
    pass

async def main():
    pool = await create_pool(RedisSettings(unix_socket_path=sys.argv[1]))
    for number in range(4):
        await pool.enqueue_job("run", _job_id=f"job-{number}")
    worker = arq.Worker([run], redis_pool=pool, burst=True, max_burst_jobs=1, max_jobs=1, poll_delay=0.01)
    await worker.async_run()

asyncio.run(main())
"""
SAQ = """
import asyncio, sys, redis.asyncio, saq
from saq.queue.redis import RedisQueue

async def run(context):
    pass

async def main():
    queue = RedisQueue(redis.asyncio.from_url("unix://" + sys.argv[1]))
    for number in range(4):
        await queue.enqueue("run", key=f"job-{number}")
    await saq.Worker(queue, functions=[run]).process()

asyncio.run(main())
"""
DRAMATIQ = """
import sys, threading, dramatiq
from dramatiq.brokers.redis import RedisBroker
broker, done = RedisBroker(url="unix://" + sys.argv[1]), threading.Event()
actor = dramatiq.actor(lambda: done.set(), actor_name="run", broker=broker)
actor.send()
worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
worker.start()
done.wait()
worker.stop()
for number in range(3):
    actor.send()
"""
CELERY = """
import os, sys, celery
app = celery.Celery(broker="redis+socket://" + sys.argv[1])
for number in range(4):
    app.send_task("run")
channel = app.connection().default_channel
assert app.amqp.queues["celery"](channel).get(no_ack=False)
os._exit(0)  # a channel that is closed in order gives back what it has fetched
"""


@pytest.fixture
def driver(server: Server) -> Iterator[Any]:
    client = redis.Redis(unix_socket_path=server.address.path)
    client.flushall()
    yield client
    client.close()


def written_by(library: str, source: str, server: Server) -> None:
    """Let a library write its keys, in its own environment."""
    words = [str(installed(library).python), "-c", source, server.address.path]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def audited(server: Server, layout: str) -> AuditResult:
    where = parse_url(f"unix://{server.address.path}")
    return audit(AuditPlan(where, layout_named(layout), settle_s=0.1, allow_writer=True))


def found(result: AuditResult) -> set[tuple[str, str]]:
    return {(each.damage, each.job_id) for each in result.found}


def test_the_keys_of_rq_are_in_order_until_they_are_damaged(driver: Any, server: Server) -> None:
    written_by("rq", RQ, server)
    sane = audited(server, "rq")
    assert (found(sane), sane.unseen, sane.jobs) == (set(), 0.0, 7)
    driver.delete("rq:job:job-2")
    driver.lrem("rq:queue:midpipe", 0, "job-3")
    driver.rpush("rq:queue:midpipe", "job-4")
    driver.hset(
        "rq:job:job-started", mapping={**driver.hgetall("rq:job:job-4"), "status": "started"}
    )
    driver.hset("rq:job:job-dead", mapping={**driver.hgetall("rq:job:job-4"), "status": "started"})
    driver.zadd("rq:wip:midpipe", {"job-dead:e1": 1.7e9})
    driver.zadd("rq:scheduled:midpipe", {"job-later": 1.7e9})
    assert found(audited(server, "rq")) == {
        ("lost", "job-2"),
        ("orphaned", "job-3"),
        ("doubled", "job-4"),
        ("stuck", "job-started"),
        ("stuck", "job-dead"),
        ("stuck", "job-later"),
    }


def test_the_keys_of_huey_are_in_order_until_they_are_damaged(driver: Any, server: Server) -> None:
    written_by("huey", HUEY, server)
    sane = audited(server, "huey")
    assert (found(sane), sane.unseen) == (set(), 0.0)
    assert sane.jobs == driver.llen("huey.redis.midpipe") + driver.zcard("huey.schedule.midpipe")
    (task,) = driver.lrange("huey.redis.midpipe", 0, 0)
    driver.rpush("huey.redis.midpipe", task)
    driver.zadd("huey.schedule.midpipe", {b"pickled": 1.7e9})
    damages = sorted(damage for damage, _ in found(audited(server, "huey")))
    assert damages == ["doubled", "stuck"]


@pytest.fixture
def node(run_directory: RunDirectory) -> Iterator[Node]:
    """A server on a port: drivers of other languages take no socket."""
    started = Node(FromBinary(None, run_directory), arguments=())
    yield started
    started.stop()


def enqueued_and_one_run(library: str, node: Node, journal: Path) -> None:
    """Enqueue job-0 to job-3 and run the first, through the library's adapter and the subject protocol."""
    url = f"redis://127.0.0.1:{node.port}/0?socket_timeout=10&socket_connect_timeout=10"
    calls = [("enqueue", {"job_id": f"job-{number}"}) for number in range(4)]
    requests: list[dict[str, Any]] = [
        {"do": "open", "redis": url, "journal": str(journal)},
        *({"do": "call", "method": name, "args": args} for name, args in (*calls, ("work", {}))),
        {"do": "exit"},
    ]
    lines = [
        json.dumps({"id": number, "client": "A", **each}) for number, each in enumerate(requests)
    ]
    words = shlex.split(installed(library).subject.removeprefix("command: "))
    run = subprocess.run(
        words, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False
    )
    assert '"error"' not in run.stdout, run.stdout + run.stderr


def damage_arq(driver: Any) -> set[tuple[str, str]]:
    driver.delete("arq:job:job-1")
    driver.zrem("arq:queue", "job-2")
    return {("lost", "job-1"), ("orphaned", "job-2")}


def damage_saq(driver: Any) -> set[tuple[str, str]]:
    driver.delete("saq:job:default:job-1")
    driver.zrem("saq:default:incomplete", "saq:job:default:job-2")
    driver.rpush("saq:default:queued", "saq:job:default:job-3")
    active = driver.get("saq:job:default:job-3").replace(b'"queued"', b'"active"')
    driver.set("saq:job:default:job-lost", active)
    driver.zadd("saq:default:incomplete", {"saq:job:default:job-lost": 0})
    return {
        ("lost", "job-1"),
        ("orphaned", "job-2"),
        ("doubled", "job-3"),
        ("stuck", "job-lost"),
    }


def damage_dramatiq(driver: Any) -> set[tuple[str, str]]:
    lost, orphaned, doubled = (
        message.decode() for message in driver.lrange("dramatiq:default", 0, 2)
    )
    driver.hdel("dramatiq:default.msgs", lost)
    driver.lrem("dramatiq:default", 0, orphaned)
    driver.rpush("dramatiq:default", doubled)
    # Fetched by a worker that is alive: in order. The same for a delayed message of the queue's sister.
    driver.hset("dramatiq:default.msgs", "fetched", "{}")
    driver.sadd("dramatiq:__acks__.worker.default", "fetched")
    driver.hset("dramatiq:default.DQ.msgs", "delayed", "{}")
    driver.sadd("dramatiq:__acks__.worker.default.DQ", "delayed")
    return {("lost", lost), ("orphaned", orphaned), ("doubled", doubled)}


def damage_celery(driver: Any) -> set[tuple[str, str]]:
    driver.hset("unacked", "forgotten", "[]")
    driver.hset("unacked", "old", "[]")
    driver.zadd("unacked_index", {"old": 1.7e9})
    return {("stuck", "forgotten"), ("stuck", "old")}


@pytest.mark.parametrize(
    ("library", "source", "damage"),
    [
        ("arq", ARQ, damage_arq),
        ("saq", SAQ, damage_saq),
        ("dramatiq", DRAMATIQ, damage_dramatiq),
        ("celery", CELERY, damage_celery),
    ],
)
def test_the_keys_of_a_library_are_in_order_until_they_are_damaged(
    driver: Any,
    server: Server,
    library: str,
    source: str,
    damage: Callable[[Any], set[tuple[str, str]]],
) -> None:
    written_by(library, source, server)
    sane = audited(server, library)
    assert (found(sane), sane.unseen) == (set(), 0.0)
    assert sane.jobs >= 3
    damaged = damage(driver)
    assert found(audited(server, library)) == damaged


@pytest.mark.nightly(reason="installs a release for Node.js or Go")
@pytest.mark.parametrize(
    ("library", "queue", "waiting"),
    [("bullmq", "bull:midpipe:", "wait"), ("asynq", "asynq:{default}:", "pending")],
)
def test_the_keys_of_libraries_in_other_languages_are_in_order_until_they_are_damaged(
    node: Node, tmp_path: Path, library: str, queue: str, waiting: str
) -> None:
    enqueued_and_one_run(library, node, tmp_path / "journal")
    plan = AuditPlan(
        parse_url(f"redis://127.0.0.1:{node.port}/0"),
        layout_named(library),
        settle_s=0.1,
        allow_writer=True,
    )
    sane = audit(plan)
    assert (found(sane), sane.unseen) == (set(), 0.0)
    assert sane.jobs >= 3
    with redis.Redis(port=node.port) as driver:
        (first,) = driver.keys(f"{queue}*job-1")
        driver.delete(first)
        driver.lrem(queue + waiting, 0, "job-2")
        driver.rpush(queue + waiting, "job-3")
    damaged = {("lost", "job-1"), ("orphaned", "job-2"), ("doubled", "job-3")}
    assert found(audit(plan)) == damaged
