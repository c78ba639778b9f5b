"""kombu's Redis transport under the contract: what Celery stands on, without Celery.

Hosted by the interpreter of an environment with one release of kombu; imports nothing of midpipe's but the job's body.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

import kombu
import kombu.transport.redis
import midpipe_job

VISIBILITY_TIMEOUT_S = 1
NAME = "midpipe"


class Queue:
    """A message is acknowledged after its job has run; what a dead consumer leaves is restored by ``tick``."""

    promises: ClassVar = {
        "delivery": "at-least-once",
        "after_crash": "reruns",
        "recovers_within_s": 4.0,
    }

    def __init__(self, plain_url: str, socket_timeout_s: float, connect_timeout_s: float) -> None:
        options = {
            "socket_timeout": socket_timeout_s,
            "socket_connect_timeout": connect_timeout_s,
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            # Only one consumer restores at a time; a dead one would keep the others away for five minutes.
            "unacked_mutex_expire": VISIBILITY_TIMEOUT_S,
        }
        self.connection = kombu.Connection(plain_url, transport_options=options)

    def enqueue(self, job_id: str, payload: Any = None) -> None:
        """Publish a message for the job."""
        self.connection.SimpleQueue(NAME).put({"job_id": job_id, "payload": payload})

    def work(self, jobs: int = 1) -> None:
        """Take up to so many messages, run their jobs and acknowledge them."""
        queue = self.connection.SimpleQueue(NAME)
        for _ in range(jobs):
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return
            midpipe_job.run(message.payload["job_id"], message.payload["payload"])
            message.ack()

    def tick(self) -> None:
        """Restore what was taken and not acknowledged for as long as the visibility timeout."""
        time.sleep(VISIBILITY_TIMEOUT_S + 0.1)
        self.connection.channel().qos.restore_visible()
