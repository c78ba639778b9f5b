"""A queue as many begin: a list of jobs. The worker takes a job and then runs it."""

from __future__ import annotations

import json

import redis


class ListQueue:
    """Puts jobs at one end of a list and takes them at the other.

    Args:
        url: of the Redis server.
    """

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True, socket_timeout=1.0)

    def enqueue(self, job_id: str, payload: dict[str, object] | None = None) -> None:
        """Put a job in."""
        self._redis.lpush("shop:jobs", json.dumps({"job_id": job_id, "payload": payload}))

    def dequeue(self, timeout_s: float = 0.2) -> dict[str, object] | None:
        """Take the next job, with its ``job_id`` and ``payload``; None if there is none."""
        taken = self._redis.brpop(["shop:jobs"], timeout_s)
        if taken is None:
            return None
        job: dict[str, object] = json.loads(taken[1])
        return job
