"""The queue as shipped, with phases 3 and 4 of its migration plan: a non-atomic backfill, and a clean-up."""

from __future__ import annotations

from midpipe.scenarios.flaws import as_shipped
from midpipe.scenarios.flaws.parts import new_key, old_key


class SimpleQueue(as_shipped.SimpleQueue):
    """The shipped queue. ``backfill`` reads and writes in separate commands; ``cleanup`` does not wait for readers."""

    def backfill(self) -> int:
        names = self._redis.scan_iter(old_key("*"), count=1000)
        return sum(self.backfill_step(name.removeprefix(old_key(""))) for name in names)

    def backfill_step(self, job_id: str) -> int:
        old = self._redis.hgetall(old_key(job_id))
        new = new_key(old.get("workspace_id"), job_id)
        if not old or self._redis.hgetall(new) == old:
            return 0
        self._redis.hset(new, mapping=old)
        return 1

    def cleanup(self) -> int:
        removed = 0
        for name in self._redis.scan_iter(old_key("*"), count=1000):
            owner = self._redis.hget(name, "workspace_id")
            if self._redis.exists(new_key(owner, name.removeprefix(old_key("")))):
                removed += self._redis.delete(name)
        return removed
