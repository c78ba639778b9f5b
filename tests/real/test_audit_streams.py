"""An audit of queues on streams: every kind of damage is found, and what is in flight is not accused."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.external import parse_url
from midpipe.faultinject.servers.server import Server
from midpipe.faultinject.wire.resp import Value
from midpipe.scenarios.audit.audit import AuditPlan, audit
from midpipe.scenarios.audit.layouts import layout_named
from midpipe.scenarios.audit.results import AuditResult
from midpipe.scenarios.audit.stream_walk import ENTRIES_PER_READ, Entry, stream_walk
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
SHOP = """
name = "shop"
settle_s = 0.5
[record.order]
key = "shop:order:{job_id}"
status = "state"
[place.waiting]
key = "shop:orders"
type = "stream"
group = "pickers"
field = "order"
[[rule]]
rule = "placed"
status = ["new"]
places = ["waiting"]
[[rule]]
rule = "kept"
place = "waiting"
[[rule]]
rule = "once"
place = "waiting"
[[rule]]
rule = "acknowledged"
place = "waiting"
longer_than_s = 60
"""
STREAM, GROUP = "shop:orders", "pickers"
HOUR_MS = 3_600_000


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(SHOP)
    return path


def order(driver: Any, name: str) -> str:
    """Put an order in, both its data and its entry; return the entry's id."""
    with driver.pipeline(transaction=True) as pipeline:
        pipeline.hset(f"shop:order:{name}", "state", "new")
        pipeline.xadd(STREAM, {"order": name})
        return str(pipeline.execute()[1])


def take(driver: Any, worker: str, count: int = 1) -> list[tuple[str, str]]:
    answer = driver.xreadgroup(GROUP, worker, {STREAM: ">"}, count=count)
    return [(entry_id, fields["order"]) for _, rows in answer for entry_id, fields in rows]


def finish(driver: Any, entry_id: str, name: str) -> None:
    with driver.pipeline(transaction=True) as pipeline:
        pipeline.xack(STREAM, GROUP, entry_id)
        pipeline.delete(f"shop:order:{name}")
        pipeline.execute()


def plant(driver: Any) -> set[tuple[str, str]]:
    """Plant damage of every kind; return what it is and which job has it."""
    order(driver, "planted-lost")
    driver.delete("shop:order:planted-lost")
    order(driver, "planted-twice")
    driver.xadd(STREAM, {"order": "planted-twice"})
    driver.hset("shop:order:planted-nowhere", "state", "new")
    for name in ("planted-idle", "planted-done"):
        order(driver, name)
    taken = {name: entry_id for entry_id, name in take(driver, "dead", count=5)}
    driver.xclaim(STREAM, GROUP, "dead", 0, [taken["planted-idle"]], idle=HOUR_MS)
    driver.xack(STREAM, GROUP, taken["planted-done"])
    return {
        ("lost", "planted-lost"),
        ("doubled", "planted-twice"),
        ("orphaned", "planted-nowhere"),
        ("stuck", "planted-idle"),
        ("orphaned", "planted-done"),
    }


def audited_shop(server: Server, shop: Path) -> AuditResult:
    where = parse_url(f"unix://{server.address.path}")
    return audit(AuditPlan(where, layout_named(str(shop)), allow_writer=True))


def busy(driver: Any, ends: threading.Event, number: int) -> int:
    """Order and finish orders until the end; return how many."""
    done = 0
    while not ends.is_set():
        order(driver, f"order-{number}-{done}")
        for entry_id, name in take(driver, f"worker-{number}"):
            finish(driver, entry_id, name)
        done += 1
    return done


def test_an_audit_of_a_busy_stream_finds_what_was_planted_and_accuses_no_order_in_flight(
    driver: Any, server: Server, shop: Path
) -> None:
    driver.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    for number in range(2 * ENTRIES_PER_READ):
        order(driver, f"done-{number}")
    for entry_id, name in take(driver, "worker", count=2 * ENTRIES_PER_READ):
        finish(driver, entry_id, name)
    planted = plant(driver)
    ends, done = threading.Event(), Counter[int]()

    def work(number: int) -> None:
        with redis.Redis(unix_socket_path=server.address.path, decode_responses=True) as client:
            done[number] = busy(client, ends, number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    try:
        result = audited_shop(server, shop)
    finally:
        ends.set()
        for worker in workers:
            worker.join()
    assert found(result) == planted
    assert min(done.values()) > 0


def test_a_stream_with_waiting_and_pending_orders_is_in_order(
    driver: Any, server: Server, shop: Path
) -> None:
    driver.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    for number in range(10):
        order(driver, f"order-{number}")
    take(driver, "worker", count=3)
    result = audited_shop(server, shop)
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
