"""Five further queues as their authors write them, each sound and flawed; midpipe init's adapters need no edit.

Their constructors take a host and a port, their waits are in milliseconds, their handlers get several arguments, and
the stream names its entries itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.asyncio import Redis

LEASE_S = 5.0
TAKE = """
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)
if #ids == 0 then return nil end
redis.call('ZREM', KEYS[1], ids[1])
redis.call('ZADD', KEYS[2], ARGV[1] + ARGV[2], ids[1])
return {ids[1], redis.call('HGET', KEYS[3], ids[1])}
"""
REAP = """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])) do
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZADD', KEYS[1], ARGV[1], id)
end
"""


class Bus:
    """A stream with a consumer group; an entry is acknowledged and deleted once it is done."""

    def __init__(self, host: str = "localhost", port: int = 6379, stream: str = "events") -> None:
        self.db: Any = redis.Redis(host=host, port=port, decode_responses=True, socket_timeout=2)
        self.stream = stream
        try:
            self.db.xgroup_create(stream, "workers", id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def publish(self, event: dict[str, Any]) -> str:
        return str(self.db.xadd(self.stream, {"data": json.dumps(event)}))

    def receive(self, block_ms: int = 100) -> Any:
        _, entries, _ = self.db.xautoclaim(self.stream, "workers", "me", min_idle_time=200, count=1)
        if not entries:
            new = {self.stream: ">"}
            read = self.db.xreadgroup("workers", "me", new, count=1, block=block_ms)
            entries = read[0][1] if read else []
        return (entries[0][0], json.loads(entries[0][1]["data"])) if entries else None

    def ack(self, id: str) -> None:
        with self.db.pipeline() as block:
            block.xack(self.stream, "workers", id).xdel(self.stream, id).execute()


class AcksAtOnce(Bus):
    """Acknowledges an entry before the job has run."""

    def receive(self, block_ms: int = 100) -> Any:
        entry = super().receive(block_ms)
        if entry:
            super().ack(entry[0])
        return entry

    def ack(self, id: str) -> None:
        pass


class Delayed:
    """Sorted sets of due and of leased jobs."""

    def __init__(self, client: Any, prefix: str = "dq") -> None:
        self.client = client
        self.keys = (f"{prefix}:due", f"{prefix}:leased", f"{prefix}:bodies")

    def schedule(self, job_id: str, body: Any, delay: float = 0) -> None:
        due, _, bodies = self.keys
        with self.client.pipeline() as block:
            block.hset(bodies, job_id, json.dumps(body))
            block.zadd(due, {job_id: time.time() + delay}).execute()

    def take(self) -> Any:
        self.reap()
        found = self.client.eval(TAKE, 3, *self.keys, time.time(), LEASE_S)
        return found and (found[0].decode(), json.loads(found[1]))

    def finish(self, job_id: str) -> None:
        due, leased, bodies = self.keys
        with self.client.pipeline() as block:
            block.zrem(leased, job_id).zrem(due, job_id).hdel(bodies, job_id).execute()

    def reap(self) -> None:
        self.client.eval(REAP, 2, *self.keys[:2], time.time())


class TakesInSteps(Delayed):
    """Looks for a due job, and removes it later without a look at whether it is still there."""

    def take(self) -> Any:
        self.reap()
        due, leased, bodies = self.keys
        found = self.client.zrangebyscore(due, "-inf", time.time(), start=0, num=1)
        if not found:
            return None
        self.client.zrem(due, found[0])
        body = self.client.hget(bodies, found[0])
        self.client.zadd(leased, {found[0]: time.time() + LEASE_S})
        return found[0].decode(), json.loads(body)


class AsyncQueue:
    """The calls of asyncio.Queue on two lists."""

    def __init__(self, redis: Redis, queue_name: str = "aq") -> None:
        self.redis: Any = redis
        self.waiting, self.busy = queue_name, f"{queue_name}:busy"

    async def put(self, item: dict[str, Any]) -> None:
        await self.redis.rpush(self.waiting, json.dumps(item))

    async def get(self) -> Any:
        return await self.redis.lmove(self.waiting, self.busy, "LEFT", "RIGHT")

    async def task_done(self, item: bytes) -> None:
        await self.redis.lrem(self.busy, 1, item)

    async def requeue_stale(self) -> None:
        while await self.redis.lmove(self.busy, self.waiting, "RIGHT", "LEFT"):
            pass


class SwallowsErrors(AsyncQueue):
    """Says nothing if a job could not be put in."""

    async def put(self, item: dict[str, Any]) -> None:
        try:
            await super().put(item)
        except Exception:
            return


class Runner:
    """Runs a handler for each task, and keeps the arguments of tasks in hashes."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def submit(self, task_id: str, args: Any = None) -> None:
        with self.connection.pipeline() as block:
            block.hset(f"task:{task_id}", "args", json.dumps(args))
            block.rpush("tasks", task_id).execute()

    def work(self, handler: Callable[..., Any], max_jobs: int = 1) -> None:
        for _ in range(max_jobs):
            task_id = self.connection.lmove("tasks", "tasks:running", "LEFT", "RIGHT")
            if task_id is None:
                return
            args = self.connection.hget(f"task:{task_id.decode()}", "args")
            self.perform(handler, task_id.decode(), args)

    def perform(self, handler: Callable[..., Any], task_id: str, args: Any) -> None:
        if args is not None:
            handler(task_id, json.loads(args))
        with self.connection.pipeline() as block:
            block.delete(f"task:{task_id}").lrem("tasks:running", 1, task_id).execute()

    def reap(self) -> None:
        while self.connection.lmove("tasks:running", "tasks", "RIGHT", "LEFT"):
            pass


class DeletesFirst(Runner):
    """Deletes a task's arguments before it has run."""

    def perform(self, handler: Callable[..., Any], task_id: str, args: Any) -> None:
        self.connection.delete(f"task:{task_id}")
        super().perform(handler, task_id, args)


class Fifo:
    """Pops jobs and forgets them."""

    def __init__(self, redis_url: str = "redis://localhost") -> None:
        self.connection: Any = redis.from_url(redis_url)

    def enqueue(self, obj: Any) -> None:
        self.connection.rpush("fifo", json.dumps(obj))

    def dequeue(self, block: bool = False, timeout: float | None = None) -> Any:
        if block:
            found = self.connection.blpop("fifo", timeout or 0)
            return found and json.loads(found[1])
        item = self.connection.lpop("fifo")
        return item and json.loads(item)


class LooksThenTrims(Fifo):
    """Reads the head of the list, and removes it in a second command."""

    def dequeue(self, block: bool = False, timeout: float | None = None) -> Any:
        item = self.connection.lindex("fifo", 0)
        self.connection.ltrim("fifo", 1, -1)
        return item and json.loads(item)
