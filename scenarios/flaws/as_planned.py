"""The queue as shipped with phases 3 and 4 of its roll-out plan: a backfill that reads, then writes, and a clean-up."""

from __future__ import annotations

from scenarios.flaws import as_shipped
from scenarios.flaws.parts import new_key, old_key


class SimpleQueue(as_shipped.SimpleQueue):
    """What was shipped, ``backfill``, which reads before it writes, and ``cleanup``, which looks at no reader."""

    def backfill(self) -> int:
        copied = 0
        for name in self._redis.scan_iter(old_key("*"), count=1000):
            old = self._redis.hgetall(name)
            new = new_key(old.get("workspace_id"), name.removeprefix(old_key("")))
            if self._redis.hgetall(new) != old:
                self._redis.hset(new, mapping=old)
                copied += 1
        return copied

    def cleanup(self) -> int:
        removed = 0
        for name in self._redis.scan_iter(old_key("*"), count=1000):
            owner = self._redis.hget(name, "workspace_id")
            if self._redis.exists(new_key(owner, name.removeprefix(old_key("")))):
                removed += self._redis.delete(name)
        return removed
