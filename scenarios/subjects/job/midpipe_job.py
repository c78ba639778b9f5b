"""The body of a job, for queues whose worker runs it: records in the journal when it starts and when it ends.

midpipe puts this file on the subject's import path. An adapter registers ``run`` as its job's function, or calls it
from there; code in another language appends the same lines to the file that ``MIDPIPE_JOURNAL`` names, one write each.
Runs on Python 3.8.
"""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any


class JobFailedError(Exception):
    """The body of a job failed, because its payload asked for that."""


def run(job_id: str, payload: Any = None) -> str:
    """Run the body of a job.

    Args:
        payload: may hold ``body``: ``succeed`` (the default), ``fail``, ``fail-once``, ``die``, or ``sleep`` with
            ``seconds``. A JSON text is decoded.
    """
    if isinstance(payload, (str, bytes)):
        payload = json.loads(payload) if payload else None
    asked = payload if isinstance(payload, dict) else {}
    body = asked.get("body", "succeed")
    ran_before = f"start {job_id}\n" in _journal()
    _record("start", job_id)
    if body == "fail" or (body == "fail-once" and not ran_before):
        raise JobFailedError(f"the body of {job_id} fails")
    if body == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if body == "sleep":
        time.sleep(float(asked.get("seconds", 0)))
    _record("end", job_id)
    return f"done {job_id}"


def _journal() -> str:
    try:
        with open(os.environ["MIDPIPE_JOURNAL"]) as journal:
            return journal.read()
    except (KeyError, OSError):
        return ""


def _record(what: str, job_id: str) -> None:
    file = os.open(os.environ["MIDPIPE_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{what} {job_id}\n".encode())
    finally:
        os.close(file)
