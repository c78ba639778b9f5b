"""A queue whose enqueue goes on until its job is in, with pauses, as the workers of many libraries do."""

from __future__ import annotations

import time
from typing import ClassVar

import redis

_PAUSE_S = 0.3


class Queue:
    """Jobs in one list; a job that is taken is the caller's."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id: str) -> None:
        while True:
            try:
                self._redis.rpush("waiting", job_id)
                return
            except redis.RedisError:
                time.sleep(_PAUSE_S)

    def dequeue(self) -> object:
        return self._redis.lpop("waiting")


class PromisesToReturn(Queue):
    """The same code with a promise that it does not keep."""

    latency_bound_s = 1.2


class DeclaresItsBound(Queue):
    """The same among its promises."""

    promises: ClassVar = {"latency_bound_s": 1.2}
