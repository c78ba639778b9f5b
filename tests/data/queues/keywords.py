"""Queues whose enqueue takes any keyword: what they do with a request id shows only when one is sent again."""

from __future__ import annotations

from typing import Any

import redis


class Ignores:
    """It knows no request."""

    def __init__(self, redis_url: str) -> None:
        self.redis: Any = redis.from_url(redis_url)

    def enqueue(self, job_id: str, **_: Any) -> Any:
        return self.redis.rpush("keywords:waiting", job_id)

    def dequeue(self) -> str | None:
        taken = self.redis.lpop("keywords:waiting")
        return None if taken is None else str(taken.decode())


class Remembers(Ignores):
    """It drops a job whose request it knows, and answers as if it were new."""

    def enqueue(self, job_id: str, **fields: Any) -> Any:
        request = fields.get("client_request_id")
        if request and not self.redis.set(f"keywords:{request}", 1, nx=True, ex=86400):
            return True
        return super().enqueue(job_id)


class Claims(Ignores):
    """It answers False for a request that it knows, and enqueues the job all the same."""

    def enqueue(self, job_id: str, **fields: Any) -> Any:
        super().enqueue(job_id)
        request = fields.get("client_request_id")
        return not request or bool(self.redis.set(f"keywords:{request}", 1, nx=True, ex=86400))
