"""A queue that promises to know a job until it is done, by a lock that a worker deletes as it takes the job."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.data.queues.base import CLAIM, COMPLETE, ENQUEUE, Base, decoded

KNOWN = "redis.call('EXISTS', job(ARGV[1])) == 1"
LOCK = "not redis.call('SET', 'small:lock:' .. ARGV[1], 1, 'NX')"
WRITE = "redis.call('HSET', job(ARGV[1]), unpack"
FRESH = "redis.call('DEL', job(ARGV[1]))\n"
UNLOCK = "redis.call('DEL', 'small:lock:' .. {})\nreturn {}"


class Fixed(Base):
    """The script that completes a job deletes the lock."""

    promises: ClassVar[dict[str, Any]] = {"deduplicates": "job", "deduplicates_for": "until-done"}
    enqueue_script = ENQUEUE.replace(KNOWN, LOCK).replace(WRITE, FRESH + WRITE)
    complete_script = COMPLETE.replace(
        "'result', ARGV[4])\nreturn 1", "'result', ARGV[4])\n" + UNLOCK.format("ARGV[1]", "1")
    )


class Queue(Fixed):
    def claim(self, worker_id: str, lease_s: float = 30.0) -> dict[str, Any] | None:
        answer = "redis.call('HGETALL', job(id))"
        script = CLAIM.replace("return " + answer, UNLOCK.format("id", answer))
        words = self.redis.eval(script, 0, int(lease_s * 1000))
        return decoded(dict(zip(words[::2], words[1::2], strict=True)))
