"""One worker of a fleet: the reference, which enqueues and completes jobs, with its metrics served.

Run as a process: ``python -m tests.real.canary_worker REDIS_URL PORT NAME``. Its phase is that of its environment,
where RELEASE names another package to run instead of the reference, PAUSE_S is the time between two jobs, and
HOW_OFTEN_AGAIN is how often the driver repeats a call. With AS_SHIPPED it runs the code that was reviewed, which
exports no metrics; with FORGETS its counter of dual writes vanishes after some jobs. It ends when its standard input
does.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from collections.abc import Iterable

import redis
from prometheus_client import CollectorRegistry, Metric, start_http_server

from midpipe.scenarios.flaws.as_reviewed import SimpleQueue

_REMEMBERS = 20


class ForgetfulRegistry(CollectorRegistry):
    """From some time on it does not export the counter of dual writes any more."""

    forgets = False

    def collect(self) -> Iterable[Metric]:
        """Yield what is exported."""
        for metric in super().collect():
            if not (self.forgets and metric.name == "ai_jobs_dual_write"):
                yield metric


def main(url: str, port: str, name: str) -> None:
    """Work until standard input ends."""
    registry = ForgetfulRegistry()
    release = importlib.import_module(os.environ.get("RELEASE", "midpipe.reference"))
    telemetry = importlib.import_module(f"{release.__name__}.telemetry").Telemetry(registry)
    close = telemetry.serve(int(port))
    if again := os.environ.get("HOW_OFTEN_AGAIN"):
        release.Queue.driver_retries = int(again)
    queue = release.Queue(url, telemetry=telemetry)
    pause_s = float(os.environ.get("PAUSE_S", "0.02"))
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
        time.sleep(pause_s)
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
        main(*sys.argv[1:4])
