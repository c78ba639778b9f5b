"""A queue whose worker has a side connection, on which a thread of its own polls and sends heartbeats.

The thread and the worker are not in step, so their commands come in another order in each run, and the thread sends
more or fewer of them. Sound: a job stays in the worker's own list until it has run.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import redis

JOBS, TAKEN, BEATS, STOP = "jobs", "taken", "beats", "stop"


class Queue:
    """The contract over three keys; ``stop`` is never written."""

    promises: ClassVar = {"delivery": "at-least-once", "order": "none", "after_crash": "lost"}

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url)
        self.side = redis.Redis.from_url(url)

    def enqueue(self, job_id: str) -> None:
        """Put the job in."""
        self.redis.rpush(JOBS, json.dumps({"job_id": job_id}))

    def work(self, jobs: int = 1) -> None:
        """Run what an earlier worker has taken and not run, then what waits."""
        ended = threading.Event()
        beating = threading.Thread(target=self._beat, args=(ended,))
        beating.start()
        try:
            self._recover()
            for _ in range(jobs):
                self._pause()
                if not self._run_next():
                    break
        finally:
            ended.set()
            beating.join()

    def _recover(self) -> None:
        while self.redis.lmove(TAKEN, JOBS, "RIGHT", "LEFT") is not None:
            pass

    def _run_next(self) -> bool:
        taken: Any = self.redis.lmove(JOBS, TAKEN, "LEFT", "RIGHT")
        if taken is None:
            return False
        run(json.loads(taken)["job_id"])
        self.redis.lrem(TAKEN, 1, taken)
        return True

    def _beat(self, ended: threading.Event) -> None:
        for _ in range(random.SystemRandom().randrange(1, 4)):
            self._pause()
            try:
                self.side.zadd(BEATS, {"worker": time.time()})
                self.side.get(STOP)
            except redis.RedisError:
                return
            if ended.is_set():
                return

    def _pause(self) -> None:
        time.sleep(random.SystemRandom().randrange(4) / 1000)


class Forgetful(Queue):
    """Flawed: it takes a job out before it has run."""

    def _run_next(self) -> bool:
        taken: Any = self.redis.lpop(JOBS)
        if taken is None:
            return False
        run(json.loads(taken)["job_id"])
        return True


class Declaring(Queue):
    """Says what it sends in the background."""

    background = (f"ZADD:{BEATS}", f"GET:{STOP}")


class Noisy(Queue):
    """Its thread sends only what changes and reads no data, in any order."""

    def _beat(self, ended: threading.Event) -> None:
        # redis-py does not annotate pubsub.
        side: Any = self.side
        # What a PubSub sends is not waited for: its connection is closed before the answer.
        noise: list[Callable[[], object]] = [
            side.ping,
            side.info,
            lambda: side.pubsub().ping(),
            lambda: side.client_setname("beats"),
            lambda: side.pubsub().subscribe("orders"),
        ]
        random.SystemRandom().shuffle(noise)
        for send in noise:
            self._pause()
            with contextlib.suppress(redis.RedisError):
                send()


def run(job_id: str) -> None:
    """Run the body of a job, which only notes that it ran."""
    journal = Path(os.environ["MIDPIPE_JOURNAL"])
    for word in ("start", "end"):
        with journal.open("a") as file:
            file.write(f"{word} {job_id}\n")
