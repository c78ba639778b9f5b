"""One worker of a fleet: the reference, which enqueues and completes jobs, with its metrics served.

Run as a process: ``python -m tests.real.canary_worker REDIS_URL PORT NAME [SLOWER_BY_S]``. Its phase is that of its
environment; with AS_SHIPPED there it runs the code that was reviewed, which exports no metrics, and with FORGETS its
counter of dual writes vanishes after some jobs. It ends when its standard input does.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

import redis
from prometheus_client import CollectorRegistry, Metric, start_http_server

from midpipe.reference import Queue
from midpipe.reference.telemetry import Telemetry
from midpipe.scenarios.flaws.as_reviewed import SimpleQueue

_REMEMBERS = 20


class SlowQueue(Queue):
    """Every step takes longer by so many seconds, as seen by its metrics."""

    slower_by_s = 0.0
    driver_retries = 0

    def _step(self, operation: str, name: str, *arguments: str | int) -> Any:
        with self._telemetry.timed(operation):
            time.sleep(self.slower_by_s)
        return super()._step(operation, name, *arguments)


class ForgetfulRegistry(CollectorRegistry):
    """From some time on it does not export the counter of dual writes any more."""

    forgets = False

    def collect(self) -> Iterable[Metric]:
        """Yield what is exported."""
        for metric in super().collect():
            if not (self.forgets and metric.name == "ai_jobs_dual_write"):
                yield metric


def main(url: str, port: str, name: str, slower_by_s: str = "0") -> None:
    """Work until standard input ends."""
    registry = ForgetfulRegistry()
    telemetry = Telemetry(registry)
    close = telemetry.serve(int(port))
    kind = SlowQueue if float(slower_by_s) else Queue
    queue = kind(url, telemetry=telemetry)
    if isinstance(queue, SlowQueue):
        queue.slower_by_s = float(slower_by_s)
    ends = threading.Event()
    threading.Thread(target=ends_with_input, args=(ends,), daemon=True).start()
    number = 0
    while not ends.is_set():
        number += 1
        registry.forgets = number > _REMEMBERS and bool(os.environ.get("FORGETS"))
        try:
            queue.enqueue(f"{name}-{number}", "mail", "send", {}, "acme", "u")
            if job := queue.claim(name):
                queue.complete(job["job_id"], "acme", job["lease_token"])
        except redis.RedisError:
            time.sleep(0.05)
        time.sleep(0.02)
    close()


def as_shipped(url: str, port: str, name: str) -> None:
    """Enqueue by the code that was reviewed until standard input ends; what is served has no metric of the queue."""
    server, _ = start_http_server(int(port), "127.0.0.1", CollectorRegistry())
    queue, ends = SimpleQueue(url), threading.Event()
    threading.Thread(target=ends_with_input, args=(ends,), daemon=True).start()
    number = 0
    while not ends.wait(0.02):
        number += 1
        queue.enqueue(f"{name}-{number}", "mail", "send", {}, "acme", "u")
    server.shutdown()


def ends_with_input(ends: threading.Event) -> None:
    sys.stdin.read()
    ends.set()


if __name__ == "__main__":
    if os.environ.get("AS_SHIPPED"):
        as_shipped(*sys.argv[1:4])
    else:
        main(*sys.argv[1:])
