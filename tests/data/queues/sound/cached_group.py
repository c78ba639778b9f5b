"""A stream whose consumer group each instance creates once; an idle entry goes to another worker, as it promises."""

from __future__ import annotations

from typing import Any, ClassVar

import redis

from tests.data.queues import base
from tests.data.queues.base import HEAD, Base, decoded

IDLE_MS = 300
ENQUEUE = base.ENQUEUE.replace(
    "redis.call('RPUSH', 'small:waiting', ARGV[1])",
    "redis.call('XADD', 'small:stream', '*', 'job', ARGV[1])",
)
RUN = (
    HEAD
    + """
if get(ARGV[1], 'status') == 'completed' then return {} end
redis.call('HSET', job(ARGV[1]), 'status', 'running', 'entry', ARGV[2],
  'lease_token', redis.call('INCR', 'small:tokens'))
return redis.call('HGETALL', job(ARGV[1]))
"""
)
COMPLETE = base.COMPLETE.replace(
    "redis.call('ZREM', 'small:active', ARGV[1])",
    "redis.call('XACK', 'small:stream', 'workers', get(ARGV[1], 'entry'))",
)


class Queue(Base):
    promises: ClassVar[dict[str, Any]] = {"visibility_timeout_s": IDLE_MS / 1000}
    enqueue_script, complete_script = ENQUEUE, COMPLETE

    def __init__(self, redis_url: str) -> None:
        super().__init__(redis_url)
        self.has_group = False

    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        if not self.has_group:
            try:
                self.redis.xgroup_create("small:stream", "workers", "0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            self.has_group = True
        while entry := self.next_entry(worker_id):
            number, fields = entry
            words = self.redis.eval(RUN, 0, fields["job"], number)
            if words:
                return decoded(dict(zip(words[::2], words[1::2], strict=True)))
            self.redis.xack("small:stream", "workers", number)
        return None

    def next_entry(self, worker_id: str) -> Any:
        """Return an entry that has been idle for too long, or else the next new one; None if there is none."""
        group = ("small:stream", "workers", worker_id)
        _, idle, *_ = self.redis.xautoclaim(*group, IDLE_MS, "0-0", count=1)
        if idle:
            return idle[0]
        new = self.redis.xreadgroup("workers", worker_id, {"small:stream": ">"}, count=1)
        return new[0][1][0] if new else None


class OncePerProcess(Queue):
    """All instances of a process remember together that the group is there."""

    groups: ClassVar[set[str]] = set()

    @property
    def has_group(self) -> bool:
        return "workers" in self.groups

    @has_group.setter
    def has_group(self, has_group: bool) -> None:
        if has_group:
            self.groups.add("workers")


class Undeclared(Queue):
    """The same without the promise: its XAUTOCLAIM states the time."""

    promises: ClassVar[dict[str, Any]] = {}
