"""Queues without leases: what ``dequeue`` returns is its caller's."""

from __future__ import annotations

from typing import Any, ClassVar

from redis.exceptions import ConnectionError

from tests.data.queues.base import Base

TAKE_FOR_A_WHILE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', 'small:taken', '-inf', now)) do
  redis.call('ZREM', 'small:taken', id)
  redis.call('RPUSH', 'small:waiting', id)
end
local id = redis.call('LPOP', 'small:waiting')
if id then redis.call('ZADD', 'small:taken', now + 300, id) end
return id
"""


class Pops(Base):
    claim = complete = None  # type: ignore[assignment]  # it has leases no more

    def dequeue(self) -> Any:
        return self.redis.lpop("small:waiting")


class AtMostOnceAndTriesAgain(Pops):
    """A driver that sends the command again after a lost reply, so that the first job has been handed to no worker."""

    promises: ClassVar[dict[str, Any]] = {"delivery": "at-most-once"}

    def dequeue(self) -> Any:
        try:
            return super().dequeue()
        except ConnectionError:
            return super().dequeue()


class PromisesMore(Pops):
    """The same code with a promise that it does not keep."""

    promises: ClassVar[dict[str, Any]] = {"delivery": "at-least-once"}


class GivesBack(Pops):
    """What it hands out comes back after 300 ms, as it promises."""

    promises: ClassVar[dict[str, Any]] = {
        "delivery": "at-least-once",
        "visibility_timeout_s": 0.3,
    }

    def dequeue(self) -> Any:
        return self.redis.eval(TAKE_FOR_A_WHILE, 0)
