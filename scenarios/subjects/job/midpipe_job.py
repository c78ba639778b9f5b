"""The body of a job, for queues whose worker runs it: records in the journal when it starts and when it ends.

midpipe puts this file on the subject's import path. An adapter registers ``run`` as its job's function, or calls it
from there; code in another language appends the same lines to the file that ``MIDPIPE_JOURNAL`` names, one write each.
Runs on Python 3.8.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

_RECEIPTS = ("receipt", "message_id", "entry_id", "id", "token", "lease_token", "raw")


_STATUSES = {
    "pending": (
        "pending",
        "queued",
        "new",
        "created",
        "scheduled",
        "deferred",
        "delayed",
        "waiting",
    ),
    "running": ("running", "started", "active", "aborting"),
    "completed": ("completed", "complete", "finished", "done"),
}


class _Ended(threading.Condition):
    """How many bodies have ended in this process."""

    runs = 0


_ENDED = _Ended()


class JobFailedError(Exception):
    """The body of a job failed, because its payload asked for that."""


def run(job_id: str, payload: Any = None) -> str:
    """Run the body of a job.

    Args:
        payload: may hold ``body``: ``succeed`` (the default), ``fail``, ``fail-once``, ``die``, ``die-once``, or
            ``sleep`` with ``seconds``. A JSON text is decoded.
    """
    if isinstance(payload, (str, bytes)):
        payload = json.loads(payload) if payload else None
    asked = payload if isinstance(payload, dict) else {}
    try:
        return _perform(job_id, asked)
    finally:
        with _ENDED:
            _ENDED.runs += 1
            _ENDED.notify_all()


async def run_in(_context: Any, job_id: str, payload: Any = None) -> str:
    """Run the body of a job for a worker that awaits it, and hands over a context of its own first."""
    return run(job_id, payload)


def _perform(job_id: str, asked: dict[str, Any]) -> str:
    body = asked.get("body", "succeed")
    ran_before = f"start {job_id}\n" in _journal()
    _record("start", job_id)
    if body == "fail" or (body == "fail-once" and not ran_before):
        raise JobFailedError(f"the body of {job_id} fails")
    if body == "die" or (body == "die-once" and not ran_before):
        os.kill(os.getpid(), signal.SIGKILL)
    if body == "sleep":
        time.sleep(float(asked.get("seconds", 0)))
    _record("end", job_id)
    return f"done {job_id}"


class Runs:
    """Counts the bodies that run in this process from now on, in whatever thread, also those that fail."""

    def __init__(self) -> None:
        self._before = _ENDED.runs

    def wait(self, jobs: int, within_s: float) -> None:
        """Wait until so many have run; no longer than that for each of them."""
        with _ENDED:
            for left in reversed(range(jobs)):
                if not _ENDED.wait_for(partial(self._are_over, jobs - left), within_s):
                    return

    def stop_after(self, jobs: int, within_s: float, stop: Callable[[], object]) -> None:
        """Call ``stop``, in a thread of its own, once so many have run or none has run for so long."""

        def wait_and_stop() -> None:
            self.wait(jobs, within_s)
            stop()

        threading.Thread(target=wait_and_stop, daemon=True).start()

    def _are_over(self, jobs: int) -> bool:
        return _ENDED.runs - self._before >= jobs


def status_of(word: Any) -> str:
    """Return the contract's status for a library's own word, as an enumeration or as text: failed, if it is none."""
    text = str(getattr(word, "value", word))
    return next((status for status, words in _STATUSES.items() if text in words), "failed")


def run_taken(*taken: Any, **named: Any) -> str:
    """Run the body of a job as a worker took it, or as it handed it over in several arguments.

    The job is a mapping with a ``job_id`` somewhere in that, or in a text that is JSON; else the first text is its id.

    Raises:
        ValueError: no job is found.
    """
    job = _job_in((*taken, named))
    if job is not None:
        return run(job["job_id"], job.get("payload"))
    job_id = _first_text((*taken, named))
    if not job_id:
        raise ValueError(f"There is no job_id in what the worker took: {(*taken, named)!r}")
    return run(job_id)


async def run_taken_async(*taken: Any, **named: Any) -> str:
    """Do the same, for workers that await what their handlers return."""
    return run_taken(*taken, **named)


def id_of(taken: Any) -> str:
    """Return the id of a job as a worker took it."""
    job = _job_in(taken)
    return str(job["job_id"]) if job else _first_text(taken)


def receipt_of(taken: Any) -> Any:
    """Return by what a queue that names its jobs itself knows the one that a worker took, as in an id and a job."""
    if isinstance(taken, (list, tuple)) and taken:
        return taken[0]
    named = taken if isinstance(taken, dict) else getattr(taken, "__dict__", {})
    return next((named[name] for name in _RECEIPTS if name in named), taken)


def _job_in(value: Any) -> Any:
    """Return the innermost mapping with a job's id and payload in the value; None if there is none."""
    if isinstance(value, (str, bytes)):
        try:
            return _job_in(json.loads(value))
        except ValueError:
            return None
    if isinstance(value, dict):
        inside = _first_found(_job_in, value.values())
        named = {key.decode() if isinstance(key, bytes) else key: value[key] for key in value}
        if isinstance(named.get("job_id"), bytes):
            named["job_id"] = named["job_id"].decode()
        return inside or (named if "job_id" in named else None)
    if isinstance(value, (list, tuple)):
        return _first_found(_job_in, value)
    return _job_in(vars(value)) if hasattr(value, "__dict__") else None


def _first_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    inside = value.values() if isinstance(value, dict) else value
    return _first_found(_first_text, inside) or "" if isinstance(value, (dict, list, tuple)) else ""


def _first_found(find: Any, values: Any) -> Any:
    return next(filter(None, map(find, values)), None)


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
