"""Small queues over redis-py, each with one way of calling it, so that what the driver does shows in the queue's jobs.

Over valkey-py, which has the same calls, where that is installed instead. Hosted by the interpreter of an environment
with one release of either; imports nothing of midpipe's. The variable ``MIDPIPE_CONSTRUCTOR`` chooses how the client is
made. A Cluster's only node announces its own address; its client connects to midpipe's, as it would through a NAT.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any, ClassVar
from urllib.parse import urlsplit

BLOCKS_FOR_S = 1
redis: Any = importlib.import_module("redis" if importlib.util.find_spec("redis") else "valkey")


def _client(url: str) -> Any:
    """Return a client, made by the constructor that the environment names, with that constructor's defaults."""
    parts = urlsplit(url)
    plain = f"{parts.scheme}://{parts.netloc}"
    address = (parts.hostname or "", parts.port or 0)
    kind, options = redis.Redis, {}
    chosen = os.environ.get("MIDPIPE_CONSTRUCTOR", "")
    if chosen == "Sentinel":
        asked = (each.split(":") for each in os.environ["MIDPIPE_SENTINELS"].split(","))
        watching = importlib.import_module(f"{redis.__name__}.sentinel").Sentinel(list(asked))
        return watching.master_for("midpipe")
    if chosen.startswith("RedisCluster"):
        kind = importlib.import_module(f"{redis.__name__}.cluster").RedisCluster
        options = {"address_remap": lambda _: address}
    if chosen.endswith("from_url"):
        return kind.from_url(plain, **options)
    return kind(host=address[0], port=address[1], **options)


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
    """A pipeline without MULTI."""

    def enqueue(self, job_id: str) -> None:
        """Count the job and put it into the list, in one write."""
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.incr("{jobs}count")  # in the slot of the list
        pipeline.rpush("jobs", job_id)
        pipeline.execute()


class Transaction(Push):
    """MULTI … EXEC."""

    def enqueue(self, job_id: str) -> None:
        """Count the job and put it into the list, in one transaction."""
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.incr("count")
        pipeline.rpush("jobs", job_id)
        pipeline.execute()


class Watch(Push):
    """``Redis.transaction``, which watches a key and starts again if it has changed."""

    def enqueue(self, job_id: str) -> None:
        """Put the job into the list if the version has not changed meanwhile."""

        def change(pipeline: Any) -> None:
            version = int(pipeline.get("version") or 0)
            pipeline.multi()
            pipeline.set("version", version + 1)
            pipeline.rpush("jobs", job_id)

        self.redis.transaction(change, "version")


class BlockingPop(Push):
    """BLPOP."""

    def dequeue(self) -> str | None:
        """Take the first job, and wait a little for it."""
        found = self.redis.blpop("jobs", timeout=BLOCKS_FOR_S)
        return None if found is None else found[1].decode()


class Publish:
    """PUBLISH. A message is not kept, so it counts how often the server ran the command."""

    promises: ClassVar = {"delivery": "at-most-once", "deduplicates": "none"}

    def __init__(self, url: str) -> None:
        self.redis = _client(url)

    def enqueue(self, job_id: str) -> None:
        """Publish a job id."""
        self.redis.publish("jobs", job_id)


class Receive(Publish):
    """A subscriber."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.subscription = self.redis.pubsub()
        self.subscription.subscribe("jobs")

    def dequeue(self) -> str | None:
        """Return the next job id; for any other message its type, such as ``subscribe``; None if none arrives."""
        message = self.subscription.get_message(timeout=BLOCKS_FOR_S)
        if message is None:
            return None
        kind: str = message["type"]
        return str(message["data"], "utf-8") if kind == "message" else kind
