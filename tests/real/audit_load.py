"""Load for an audit: the reviewed queue, whose steps are not atomic, used by a producer and a worker.

Run as a process: ``python -m tests.real.audit_load URL NAME``. It ends when its standard input does, and then prints
the ids of the jobs that were in flight for longer than an audit may assume.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from typing import Any

import redis

os.environ["AI_JOBS_NEW_SCHEMA"] = "on"

PLANTED = "planted"
IN_FLIGHT_S = 1.0
"""A job that takes longer between two of its steps may be accused."""


def work(client: Any, rng: random.Random, queue: Any) -> tuple[str, float]:
    """Take a job that was not planted, run it, and return its id and its longest time between two steps."""
    waiting = client.lrange("ai:queue:pending", 0, 99)
    job_id = next((each for each in waiting if not each.startswith(PLANTED)), None)
    begun_s = time.monotonic()
    if job_id is None or not client.lrem("ai:queue:pending", 1, job_id):
        return "", 0.0
    longest_s = 0.0
    for status in ("running", "completed"):
        time.sleep(rng.uniform(0, 0.01))
        queue.update_status(job_id, status, workspace_id="acme")
        now_s = time.monotonic()
        longest_s, begun_s = max(longest_s, now_s - begun_s), now_s
    return job_id, longest_s


def ends_with_input(ends: threading.Event) -> None:
    sys.stdin.read()
    ends.set()


def main(url: str, name: str) -> None:
    """Produce and work until standard input ends."""
    from midpipe.scenarios.flaws.as_reviewed import SimpleQueue

    client = redis.Redis.from_url(url, decode_responses=True)
    queue, rng = SimpleQueue(url), random.Random(name)
    ends = threading.Event()
    threading.Thread(target=ends_with_input, args=(ends,), daemon=True).start()
    slow = []
    number = 0
    while not ends.is_set():
        number += 1
        job_id, begun_s = f"{name}-{number}", time.monotonic()
        queue.enqueue(job_id, "mail", "send", {"to": "a@b"}, "acme", "u", f"request-{job_id}")
        if time.monotonic() - begun_s > IN_FLIGHT_S:
            slow.append(job_id)
        worked, took_s = work(client, rng, queue)
        if took_s > IN_FLIGHT_S:
            slow.append(worked)
    sys.stdout.write("\n".join(slow))


if __name__ == "__main__":
    main(*sys.argv[1:])
