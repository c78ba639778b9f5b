"""The queue as shipped with the backfill of its roll-out plan: read the old hash, look at the new, write the new."""

from __future__ import annotations

from scenarios.flaws import as_shipped
from scenarios.flaws.parts import new_key, old_key


class SimpleQueue(as_shipped.SimpleQueue):
    """What was shipped, and ``backfill``, which reads before it writes."""

    def backfill(self) -> int:
        copied = 0
        for name in self._redis.scan_iter(old_key("*"), count=1000):
            old = self._redis.hgetall(name)
            new = new_key(old.get("workspace_id"), name.removeprefix(old_key("")))
            if self._redis.hgetall(new) != old:
                self._redis.hset(new, mapping=old)
                copied += 1
        return copied
