"""Puts load on a subject from inside the subject's own process, so that a call costs no message to midpipe.

Runs under the subject's interpreter beside ``host.py`` and needs nothing but Python 3.8. It works in short steps:
midpipe requests a step, this module calls the subject until the step's time is over, and answers with counts. The
history goes to disk as records of sixteen bytes, with one append per call, so a process that is killed leaves whole
records and at most one torn one. This file defines the record; ``scenarios.soak`` reads it.

A producer enqueues jobs by number, in order, and repeats a call until it is answered. A worker claims and completes
jobs, or only dequeues them if the subject has no completion. Both wait a little longer after every failure.
"""

from __future__ import annotations

import os
import struct
import time
from typing import Any

RECORD = struct.Struct("<BBHIII")
"""Kind, outcome, number of the process, number of the job, begin and end in ticks since the segment began."""

TICK_NS = 10_000
BEGUN, ENQUEUED, HANDED_OUT, COMPLETED, READ = 1, 2, 3, 4, 5
YES, NO, RAISED, EMPTY, WAITING, GIVEN_UP = 1, 2, 3, 4, 5, 6
STRANGE_JOB = 0xFFFFFFFF
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.2
_IDLE_S, _LONGEST_IDLE_S = 0.005, 0.04
_MOST_ATTEMPTS = 150


def job_id_of(number: int) -> str:
    return f"job-{number}"


def number_of(job_id: object) -> int:
    """Return the number in a job's id; STRANGE_JOB for an id that this load never enqueues."""
    word, _, number = str(job_id).rpartition("-")
    return int(number) if word == "job" and number.isdigit() else STRANGE_JOB


class Load:
    """The load of one client.

    Args:
        call: calls the subject's method with arguments, and returns or raises what it does.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._path = ""
        self._file = -1
        self._zero_ns = 0
        self._number = 0
        self._attempt = 0
        self._idle_s = _IDLE_S
        self._claims = 0
        self._counts: dict[str, int] = {}

    def step(self, request: dict[str, Any]) -> dict[str, Any]:
        """Work for ``seconds``; return the counts, and for a producer the ``job`` that comes next."""
        if request["history"] != self._path:
            self._begin(request)
        self._counts = {}
        until_s = time.monotonic() + request["seconds"]
        answer: dict[str, Any] = {}
        if request["work"] == "enqueue":
            answer["job"] = self._produce(request, until_s)
        else:
            while time.monotonic() < until_s:
                self._take(request)
        answer.update(self._counts)
        return answer

    def _begin(self, request: dict[str, Any]) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._path = request["history"]
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._zero_ns, self._number = request["zero_ns"], request["number"]
        self._attempt, self._idle_s = 0, _IDLE_S

    def _produce(self, request: dict[str, Any], until_s: float) -> int:
        job: int = request["job"]
        end, step = request["end"], request["step"]
        arguments = dict(request["arguments"])
        done = b""
        while job < end and time.monotonic() < until_s:
            begun = self._now()
            os.write(self._file, done + self._record(BEGUN, YES, job, begun, begun))
            arguments["job_id"] = job_id_of(job)
            arguments["client_request_id"] = f"request-{job}"
            outcome = self._called("enqueue", arguments)[0]
            ended = self._now()
            done = self._record(ENQUEUED, outcome, job, begun, ended)
            self._count("attempts")
            self._count("enqueue_ticks", ended - begun)
            if outcome != RAISED:
                self._count("acknowledged")
            if outcome != RAISED or self._attempt >= _MOST_ATTEMPTS:
                job, self._attempt = job + step, 0
            else:
                self._pause()
        if done:
            os.write(self._file, done)
        return job

    def _take(self, request: dict[str, Any]) -> None:
        begun = self._now()
        outcome, job = self._called(request["work"], request["arguments"])
        if outcome == RAISED:
            self._pause()
            return
        self._attempt = 0
        if not job:
            time.sleep(self._idle_s)
            self._idle_s = min(_LONGEST_IDLE_S, 2 * self._idle_s)
            return
        self._idle_s = _IDLE_S
        number = number_of(job.get("job_id") if isinstance(job, dict) else job)
        os.write(self._file, self._record(HANDED_OUT, YES, number, begun, self._now()))
        self._count("handed_out")
        if request.get("completion"):
            self._overstay(request)
            self._complete(request, job, number)

    def _overstay(self, request: dict[str, Any]) -> None:
        """Every ``overstay_every``-th time, hold a job for longer than its lease."""
        self._claims += 1
        every = request.get("overstay_every")
        if every and self._claims % every == 0:
            time.sleep(request["overstay_s"])
            self._count("overstay")

    def _complete(self, request: dict[str, Any], job: dict[str, Any], number: int) -> None:
        arguments = dict(request["completion"])
        for name, field in request["taken"].items():
            arguments[name] = job.get(field)
        until_s = time.monotonic() + request["lease_s"]
        self._attempt = 0
        while True:
            begun = self._now()
            outcome = self._called("complete", arguments)[0]
            os.write(self._file, self._record(COMPLETED, outcome, number, begun, self._now()))
            if outcome != RAISED or time.monotonic() > until_s:
                break
            self._pause()
        self._attempt = 0
        self._count("completed" if outcome == YES else "refused" if outcome == NO else "unfinished")

    def _called(self, method: str, arguments: dict[str, Any]) -> Any:
        """Call; return the outcome and the value."""
        try:
            value = self._call(method, arguments)
        except BaseException as error:  # the load continues whatever the subject raises
            self._count("raised " + type(error).__name__)
            return RAISED, None
        return (YES if value else NO), value

    def _pause(self) -> None:
        self._attempt += 1
        time.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._attempt, 10)))

    def _now(self) -> int:
        return (time.monotonic_ns() - self._zero_ns) // TICK_NS

    def _record(self, kind: int, outcome: int, job: int, begun: int, ended: int) -> bytes:
        return RECORD.pack(kind, outcome, self._number, job, begun, ended)

    def _count(self, name: str, by: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + by
