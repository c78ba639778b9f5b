"""An audit of queues on streams: every kind of damage is found, and what is in flight is not accused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest

from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.external import parse_url
from midpipe.faultinject.servers.server import Server
from midpipe.faultinject.wire.resp import Value
from midpipe.scenarios.audit.audit import AuditPlan, audit
from midpipe.scenarios.audit.layouts import layout_named
from midpipe.scenarios.audit.results import AuditResult
from midpipe.scenarios.audit.stream_walk import ENTRIES_PER_READ, Entry, stream_walk
from tests.real.audit_stream_planting import HOUR_MS, Shop
from tests.real.test_audit_libraries import audited, found, written_by

STREAQ = """
import anyio, logging, sys, streaq

async def run(number):
    pass

def worker():
    made = streaq.Worker("unix://" + sys.argv[1], handle_signals=False, concurrency=1)
    return made, made.task(run, name="run")

async def main():
    made, task = worker()
    async with made:
        await task.enqueue(0)
    made, task = worker()
    made.burst = True
    await made.run_async()
    made, task = worker()
    async with made:
        first = [await task.enqueue(number) for number in range(5)][0]
        await task.enqueue(5).start(delay=3600)
        await task.enqueue(6).start(after=first.id)

anyio.run(main)
"""
TASKIQ = """
import asyncio, sys, taskiq_redis

def run(number):
    pass

async def main():
    broker = taskiq_redis.RedisStreamBroker("unix://" + sys.argv[1])
    task = broker.task(task_name="run")(run)
    await broker.startup()
    for number in range(6):
        await task.kiq(number)
    messages = broker.listen()
    await anext(messages)
    await (await anext(messages)).ack()
    await broker.shutdown()

asyncio.run(main())
"""
STREAM, GROUP = Shop.stream, Shop.group


def order(driver: Any, name: str) -> str:
    """Put an order in, both its data and its entry; return the entry's id."""
    with driver.pipeline(transaction=True) as pipeline:
        pipeline.hset(f"shop:order:{name}", "state", "new")
        pipeline.xadd(STREAM, {"order": name})
        return str(pipeline.execute()[1])


def take(driver: Any, worker: str, count: int = 1) -> list[tuple[str, str]]:
    answer = driver.xreadgroup(GROUP, worker, {STREAM: ">"}, count=count)
    return [(entry_id, fields["order"]) for _, rows in answer for entry_id, fields in rows]


def audited_shop(server: Server) -> AuditResult:
    where = parse_url(f"unix://{server.address.path}")
    return audit(AuditPlan(where, layout_named(Shop.layout), allow_writer=True))


def test_a_stream_with_waiting_and_pending_orders_is_in_order(driver: Any, server: Server) -> None:
    driver.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    for number in range(10):
        order(driver, f"order-{number}")
    take(driver, "worker", count=3)
    result = audited_shop(server)
    assert (found(result), result.jobs, result.unseen) == (set(), 10, 0.0)


def test_a_stream_is_read_in_pages_and_without_its_history(driver: Any, server: Server) -> None:
    driver.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    size = ENTRIES_PER_READ + 50
    for number in range(4 * size):
        driver.xadd(STREAM, {"order": f"order-{number}"})
    history = take(driver, "worker", count=2 * size)
    driver.xack(STREAM, GROUP, *(entry_id for entry_id, _ in history))
    pending = [entry_id for entry_id, _ in take(driver, "worker", count=size)]
    driver.xdel(STREAM, pending[0])
    asked: list[Sequence[object]] = []
    with closing(Control(server.address)) as control:

        def ask(commands: Sequence[Sequence[bytes | str | int | float]]) -> Sequence[Value]:
            asked.extend(commands)
            return control.pipeline(commands)

        pages = [page or [] for page in stream_walk(ask, STREAM.encode(), GROUP)]
    read = [entry for page in pages for entry in page]
    gone = [entry.id for entry in read if entry.delivery and entry.delivery.is_gone]
    assert len({entry.id for entry in read}) == len(read) == 2 * size
    assert [entry.id for entry in read if entry.delivery] == pending
    assert (gone, max(map(len, pages))) == ([pending[0]], ENTRIES_PER_READ)
    assert {str(words[0]) for words in asked} == {"XINFO", "XRANGE", "XPENDING"}


def test_an_entry_that_is_delivered_during_the_walk_is_read_once(
    driver: Any, server: Server
) -> None:
    driver.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    waiting = [order(driver, f"order-{number}") for number in range(3)]

    with closing(Control(server.address)) as control:

        def ask(commands: Sequence[Sequence[bytes | str | int | float]]) -> Sequence[Value]:
            answers = control.pipeline(commands)
            take(driver, "worker")
            return answers

        read = [entry for page in stream_walk(ask, STREAM.encode(), GROUP) for entry in page or []]
    assert read == [Entry(entry_id, read[n].fields) for n, entry_id in enumerate(waiting)]


def damage_streaq(driver: Any) -> set[tuple[str, str]]:
    stream, data = "streaq:default:queues:normal", "streaq:default:task:data:"
    jobs = [fields["task_id"] for _, fields in driver.xrange(stream)]
    driver.delete(data + jobs[0])
    orphaned = driver.xrange(stream)[1][0]
    driver.xdel(stream, orphaned)
    driver.xadd(stream, {"task_id": jobs[2], "enqueue_time": "1"})
    ((_, rows),) = driver.xreadgroup("workers", "dead", {stream: ">"}, count=3)
    idle = next(each for each, fields in rows if fields["task_id"] == jobs[3])
    driver.xclaim(stream, "workers", "dead", 0, [idle], idle=HOUR_MS)
    (delayed,) = driver.zrange("streaq:default:queues:delayed:normal", 0, -1)
    driver.zadd("streaq:default:queues:delayed:normal", {delayed: 1.7e12})
    return {
        ("lost", jobs[0]),
        ("orphaned", jobs[1]),
        ("doubled", jobs[2]),
        ("stuck", jobs[3]),
        ("stuck", delayed),
    }


def damage_taskiq(driver: Any) -> set[tuple[str, str]]:
    _, waits, trimmed, *_ = [entry_id for entry_id, _ in driver.xrange("taskiq")]
    pending = [row["message_id"] for row in driver.xpending_range("taskiq", "taskiq", "-", "+", 9)]
    assert waits not in pending, "it is acknowledged, and history"
    driver.xdel("taskiq", trimmed)
    driver.xclaim("taskiq", "taskiq", "dead", 0, [pending[0]], idle=HOUR_MS)
    return {("lost", trimmed), ("stuck", pending[0])}


@pytest.mark.parametrize(
    ("library", "layout", "source", "jobs", "damage"),
    [
        ("streaq", "streaq", STREAQ, 7, damage_streaq),
        ("taskiq-stream", "taskiq-stream", TASKIQ, 5, damage_taskiq),
    ],
)
def test_the_keys_of_a_library_on_streams_are_in_order_until_they_are_damaged(
    driver: Any,
    server: Server,
    library: str,
    layout: str,
    source: str,
    jobs: int,
    damage: Callable[[Any], set[tuple[str, str]]],
) -> None:
    written_by(library, source, server)
    sane = audited(server, layout)
    assert (found(sane), sane.unseen, sane.jobs) == (set(), 0.0, jobs)
    damaged = damage(driver)
    assert found(audited(server, layout)) == damaged
