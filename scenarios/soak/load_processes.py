"""The processes of a soak: producers and workers, each hosting the subject, each with a proxy of its own.

A process works in short steps, which midpipe requests one after the other; so it can be stopped between two steps,
killed at any time, and restarted by its supervisor. Knows no plan, and of the history only the file's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from midpipe.faultinject.net.triggered_proxy import TriggeredProxy
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.subjects.hosting import Answer, HostProcess

CLIENT = "A"
ENQUEUE = "enqueue"


@dataclass(slots=True)
class Assignment:
    """What a process works on in one segment.

    Args:
        path: its history file.
        number: of that file among the segment's files, written into each record.
        zero_ns: when the segment began, on the monotonic clock.
        step_s: duration of one step.
        job, end, step: of a producer: its next job, the end of its range, the distance between two of its jobs.
    """

    path: str
    number: int
    zero_ns: int
    step_s: float
    job: int = 0
    end: int = 0
    step: int = 1


class LoadProcess:
    """One client of the soak: a process, and its successor after a crash.

    Args:
        make_host: starts a process that hosts the subject.
        proxy: through which the process reaches the server.
        name: P1, P2, … for producers; W1, W2, … for workers.
        request: the part of the request that is the same in all its steps.
        url: the server's, through the proxy.

    Attributes:
        counts: what its steps counted, since this object was made.
        steps: how many of its steps have ended, since then.
        assignment: its work in the current segment.
        works: whether it begins another step when one has ended.
        is_open: the process has its instance of the subject.
        is_frozen: the process is stopped by SIGSTOP.
        failure: why a step returned no counts; empty if none failed.
        has_exited: the process ended without being killed by midpipe.
        bound_s: how long a call of the subject may take, as the subject declares it; 0 if it does not.
    """

    def __init__(
        self,
        make_host: Callable[[], HostProcess],
        proxy: TriggeredProxy,
        *,
        name: str,
        request: Mapping[str, Json],
        url: str,
    ) -> None:
        self._make_host = make_host
        self.proxy = proxy
        self.name = name
        self._request = request
        self._url = url
        self.counts: Counter[str] = Counter()
        self.steps = 0
        self.assignment: Assignment | None = None
        self.works = False
        self.is_open = False
        self.is_frozen = False
        self.failure = ""
        self.has_exited = False
        self.bound_s = 0.0
        self._step_begun_s: float | None = None
        self.host = make_host()

    @property
    def is_producer(self) -> bool:
        return self._request["work"] == ENQUEUE

    @property
    def is_busy(self) -> bool:
        """A step is in progress."""
        return self._step_begun_s is not None

    @property
    def is_done(self) -> bool:
        """A producer that has no job left in this segment."""
        assignment = self.assignment
        return assignment is not None and self.is_producer and assignment.job >= assignment.end

    def busy_for_s(self) -> float:
        """Return how long the current step has been in progress, in seconds; 0 if there is none."""
        return 0.0 if self._step_begun_s is None else self.host.loop.clock() - self._step_begun_s

    def open_when_ready(self) -> None:
        """Make the instance once the process has loaded the subject. Raises SubjectError."""
        if not self.is_open and self.host.is_ready:
            self.host.wait_until_ready()
            opened = self.host.make_instance(CLIENT, self._url)
            self.bound_s = (opened.latency_bound_ms or 0.0) / 1000
            self.is_open = True
            self.begin_step()

    def wait_until_open(self) -> None:
        """Wait until the process has its instance. Raises SubjectError."""
        self.host.wait_until_ready()
        self.open_when_ready()

    def begin_step(self) -> None:
        """Begin a step if the process is to work, has something to do and none is in progress."""
        work = self.assignment
        if not self.works or work is None or not self.is_open or self.is_busy or self.is_done:
            return
        self._step_begun_s = self.host.loop.clock()
        step = {
            **self._request,
            "history": work.path,
            "number": work.number,
            "zero_ns": work.zero_ns,
            "seconds": work.step_s,
            "job": work.job,
            "end": work.end,
            "step": work.step,
        }
        host = self.host
        host.load(CLIENT, step, lambda answer: self._end_step(host, answer))

    def freeze(self) -> None:
        """Stop the process (SIGSTOP)."""
        self.host.freeze()
        self.is_frozen = True

    def unfreeze(self) -> None:
        """Continue a stopped process (SIGCONT)."""
        if self.is_frozen:
            self.host.resume()
            self.is_frozen = False

    def crash(self) -> None:
        """Kill the process (SIGKILL) and start its successor; the supervisor then calls ``open_when_ready``."""
        self.host.kill()
        self._step_begun_s, self.is_frozen, self.is_open = None, False, False
        self.failure, self.has_exited = "", False
        self.host = self._make_host()

    def close(self) -> None:
        """Kill the process and close its proxy."""
        self.host.kill()
        self.proxy.close()

    def _end_step(self, host: HostProcess, answer: Answer) -> None:
        if host is not self.host:
            return
        self._step_begun_s = None
        counts = answer.get("ok")
        if not isinstance(counts, dict):
            error = answer.get("error") or {}
            self.failure = f"{error.get('type')}: {error.get('message')}" if error else "no counts"
            self.has_exited = not self.host.is_alive
            return
        if self.assignment is not None and self.is_producer:
            self.assignment.job = int(counts.pop("job"))
        self.counts.update(counts)
        self.steps += 1
        self.begin_step()
