"""Plants damage into queues on streams, and loads them with the released libraries' own producers and workers.

What is planted belongs to a worker that is dead. The live ones don't take it over, because their time-out for that is
long: damage that they repair at once would prove nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from midpipe.scenarios.audit.layout import Damage
from midpipe.scenarios.subjects.environments import installed
from tests.real.audit_planting import SECRET, Planting

HOUR_MS = 3_600_000
# Adds an entry and delivers it to a worker that is dead; puts back what was delivered with it.
_TAKEN_BY_A_DEAD_WORKER = """
local added = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
local rows = redis.call('XREADGROUP', 'GROUP', ARGV[1], 'dead', 'STREAMS', KEYS[1], '>')
for _, row in ipairs(rows[1][2]) do
  if row[1] ~= added then
    redis.call('XACK', KEYS[1], ARGV[1], row[1])
    redis.call('XDEL', KEYS[1], row[1])
    redis.call('XADD', KEYS[1], '*', unpack(row[2]))
  end
end
return added
"""
STREAQ_LOAD = """
import logging, os, sys, anyio, streaq

logging.disable()

async def run(number):
    await anyio.sleep(0.002)

def made(url):
    worker = streaq.Worker(url, handle_signals=False, concurrency=4, idle_timeout=36_000)
    return worker, worker.task(run, name="run")

async def produce(url):
    worker, task = made(url)
    async with worker:
        while True:
            first = await task.enqueue(1)
            await task.enqueue(2).start(delay=0.02)
            await task.enqueue(3).start(after=first.id)
            await anyio.sleep(0.01)

async def main(url):
    async with anyio.create_task_group() as group:
        group.start_soon(produce, url)
        group.start_soon(made(url)[0].run_async)
        await anyio.to_thread.run_sync(sys.stdin.read)
        os._exit(0)  # a worker that is cancelled raises

anyio.run(main, sys.argv[1])
"""
TASKIQ_LOAD = """
import asyncio, sys, taskiq_redis

def run(number):
    pass

async def produce(task):
    while True:
        await task.kiq(1)
        await asyncio.sleep(0.005)

async def work(broker):
    async for message in broker.listen():
        await asyncio.sleep(0.002)
        await message.ack()

async def main(url):
    broker = taskiq_redis.RedisStreamBroker(url, idle_timeout=36_000_000)
    task = broker.task(task_name="run")(run)
    await broker.startup()
    busy = [asyncio.ensure_future(each) for each in (produce(task), work(broker))]
    ends = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await asyncio.wait([ends, *busy], return_when=asyncio.FIRST_COMPLETED)
    for each in busy:
        if each.done():
            each.result()
        each.cancel()
    await broker.shutdown()

asyncio.run(main(sys.argv[1]))
"""
SHOP_LOAD = """
import sys, threading, redis

url, name = sys.argv[1:]
client = redis.Redis.from_url(url, decode_responses=True)
ends = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ends.set()), daemon=True).start()
number = 0
while not ends.wait(0.002):
    number += 1
    with client.pipeline(transaction=True) as pipeline:
        pipeline.hset(f"shop:order:{name}-{number}", "state", "new")
        pipeline.xadd("shop:orders", {"order": f"{name}-{number}"})
        pipeline.execute()
    for _, rows in client.xreadgroup("pickers", name, {"shop:orders": ">"}, count=2):
        for entry_id, fields in rows:
            # Not at once: an order without its entry is in flight.
            client.xack("shop:orders", "pickers", entry_id)
            client.delete("shop:order:" + fields["order"])
"""


class OnStream(Planting):
    """A queue on a stream.

    Attributes:
        stream, group: of the queue.
        queue_name: the released queue whose environment runs the load; empty is the tests' own.
        source: of the load.
        common: fields that every entry has.
    """

    stream: ClassVar[str]
    group: ClassVar[str]
    queue_name: ClassVar[str] = ""
    source: ClassVar[str]
    common: ClassVar[Mapping[str, str]] = {}

    def load(self, url: str, name: str) -> Sequence[str]:
        python = str(installed(self.queue_name).python) if self.queue_name else sys.executable
        return [python, "-c", self.source, url, name]

    def prepare(self) -> None:
        self.driver.xgroup_create(self.stream, self.group, id="0", mkstream=True)

    def add(self, entry: Mapping[str, str]) -> None:
        """Add an entry that waits for a worker."""
        self.driver.xadd(self.stream, {**self.common, **entry})

    def taken(self, entry: Mapping[str, str], idle_ms: int = 0) -> str:
        """Add an entry that a dead worker was delivered so long ago; return its id."""
        words = [word for pair in (*self.common.items(), *entry.items()) for word in pair]
        added: str = self.driver.eval(_TAKEN_BY_A_DEAD_WORKER, 1, self.stream, self.group, *words)
        self.driver.xclaim(self.stream, self.group, "dead", 0, [added], idle=idle_ms)
        return added

    def trim(self, entry: Mapping[str, str]) -> None:
        """Have a dead worker take entries, and delete them: what is lost is known by the entry's id only."""
        for _ in self.some():
            added = self.taken(entry)
            self.driver.xdel(self.stream, added)
            self.planted[Damage.LOST].add(added)


class WithRecords(OnStream):
    """A queue whose entries name jobs that have data of their own."""

    field: ClassVar[str]

    def data(self, name: str) -> None:
        """Write a job's data."""
        raise NotImplementedError

    def sane(self, count: int) -> None:
        for number in range(count):
            self.data(f"before-{number}")
            self.taken({self.field: f"before-{number}"})

    def put_in(self, name: str) -> None:
        self.data(name)
        self.add({self.field: name})

    def plant(self) -> None:
        for name in self.names(Damage.LOST, "gone"):
            self.taken({self.field: name})
        for name in self.names(Damage.ORPHANED, "nowhere"):
            self.data(name)
        for name in self.names(Damage.DOUBLED, "twice"):
            self.data(name)
            self.taken({self.field: name})
            self.taken({self.field: name})
        for name in self.names(Damage.STUCK, "idle"):
            self.data(name)
            self.taken({self.field: name}, HOUR_MS)
        for name in self.healing_names():
            self.data(name)

    def heal(self) -> None:
        for name in self.healing:
            self.taken({self.field: name})


class Streaq(WithRecords):
    layout = queue_name = "streaq"
    stream, group, field = "streaq:default:queues:normal", "workers", "task_id"
    source = STREAQ_LOAD
    common: ClassVar[Mapping[str, str]] = {"enqueue_time": "1"}

    def data(self, name: str) -> None:
        self.driver.set(f"streaq:default:task:data:{name}", SECRET)


class Shop(WithRecords):
    """A team's own queue, with a layout file of its own; its workers never take over what another one has."""

    layout = str(Path(__file__).parents[1] / "data" / "shop_layout.toml")
    stream, group, field = "shop:orders", "pickers", "order"
    source = SHOP_LOAD

    def data(self, name: str) -> None:
        self.driver.hset(f"shop:order:{name}", mapping={"state": "new", "card": SECRET})

    def plant(self) -> None:
        super().plant()
        self.trim({"order": "deleted"})


class Taskiq(OnStream):
    layout = queue_name = "taskiq-stream"
    stream = group = "taskiq"
    source = TASKIQ_LOAD

    def sane(self, count: int) -> None:
        for _ in range(count):
            self.taken({"data": SECRET})

    def put_in(self, name: str) -> None:
        self.add({"data": name})

    def plant(self) -> None:
        for _ in self.some():
            self.planted[Damage.STUCK].add(self.taken({"data": SECRET}, HOUR_MS))
        self.trim({"data": SECRET})
        self.healing = [self.taken({"data": SECRET}, HOUR_MS) for _ in range(5)]

    def heal(self) -> None:
        self.driver.xack(self.stream, self.group, *self.healing)

    def persisting(self) -> Mapping[Damage, set[str]]:
        """A worker's XAUTOCLAIM makes Redis 7 forget entries that were deleted, as though they had run."""
        pending = self.driver.xpending_range(self.stream, self.group, "-", "+", 10_000)
        known: set[str] = {row["message_id"] for row in pending}
        return {damage: ids & known for damage, ids in self.planted.items()}
