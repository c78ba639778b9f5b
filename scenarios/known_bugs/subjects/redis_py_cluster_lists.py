"""Small queues over redis-py's client of a Cluster, each with one way of calling it.

Hosted by the interpreter of an environment with one release; imports nothing of midpipe's. The one node of the Cluster
announces its own address, and the client connects to midpipe's instead, as it would through a NAT. The variable
``MIDPIPE_CONSTRUCTOR`` chooses how the client is made.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar
from urllib.parse import urlsplit

from redis.cluster import RedisCluster


def _client(url: str) -> Any:
    """Return a client, made by the constructor that the environment names, with that constructor's defaults."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 0)
    options: dict[str, Any] = {"address_remap": lambda _: address}
    if os.environ.get("MIDPIPE_CONSTRUCTOR") == "from_url":
        return RedisCluster.from_url(f"{parts.scheme}://{parts.netloc}", **options)
    return RedisCluster(host=address[0], port=address[1], **options)


class Push:
    """A list of job ids, with one RPUSH for each. Each job that is enqueued must be handed out once."""

    promises: ClassVar = {"delivery": "at-most-once", "deduplicates": "none"}

    def __init__(self, url: str) -> None:
        self.redis = _client(url)

    def enqueue(self, job_id: str) -> None:
        """Put a job into the list."""
        self.redis.rpush("jobs", job_id)

    def dequeue(self) -> str | None:
        """Take the first job."""
        job_id = self.redis.lpop("jobs")
        return None if job_id is None else job_id.decode()


class Pipeline(Push):
    """A pipeline; a Cluster's has no MULTI."""

    def enqueue(self, job_id: str) -> None:
        """Count the job and put it into the list, in one write."""
        pipeline = self.redis.pipeline()
        pipeline.incr("{jobs}count")
        pipeline.rpush("jobs", job_id)
        pipeline.execute()


class BlockingPop(Push):
    """BLPOP."""

    def dequeue(self) -> str | None:
        """Take the first job, and wait a little for it."""
        found = self.redis.blpop("jobs", timeout=1)
        return None if found is None else found[1].decode()
