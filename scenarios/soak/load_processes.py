"""The processes of a soak: producers and workers, each hosting the subject, each with a passage of its own.

They work in short steps that midpipe asks for one after the other, so they can be stopped in order, killed at any time,
and are started again by whoever supervises them. Knows no plan and no history but the name of the file.
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
    """What a process works on in one leg.

    Args:
        number: of its file among the leg's, and in its records.
        step_s: how long it works before it tells.
        job, end, step: a producer's next job, where its jobs end, and how far apart they are.
    """

    path: str
    number: int
    zero_ns: int
    step_s: float
    job: int = 0
    end: int = 0
    step: int = 1


class LoadProcess:
    """One client of the soak: a process, and a process again after it was killed.

    Args:
        name: P1, P2, … for producers; W1, W2, … for workers.
        request: what is the same in all its steps.

    Attributes:
        counts: what its steps counted, since it was made.
        invalid_reason: why a step came to nothing, if the process did not die by midpipe's hand.
        has_died: the process ended by itself.
        bound_s: how long any of the subject's calls may take, if it says so.
    """

    def __init__(
        self,
        make_host: Callable[[], HostProcess],
        passage: TriggeredProxy,
        name: str,
        request: Mapping[str, Json],
        url: str,
    ) -> None:
        self._make_host = make_host
        self.passage = passage
        self.name = name
        self._request = request
        self._url = url
        self.counts: Counter[str] = Counter()
        self.post: Assignment | None = None
        self.is_frozen = False
        self.is_up = False
        self.invalid_reason = ""
        self.has_died = False
        self.bound_s = 0.0
        self.works = False
        self._asked_s: float | None = None
        self.host = make_host()

    @property
    def produces(self) -> bool:
        return self._request["work"] == ENQUEUE

    @property
    def is_busy(self) -> bool:
        """A step of it is under way."""
        return self._asked_s is not None

    @property
    def is_done(self) -> bool:
        """A producer that has no job left in this leg."""
        return self.post is not None and self.produces and self.post.job >= self.post.end

    def busy_for_s(self) -> float:
        """Return for how long its step has been under way, in seconds."""
        return 0.0 if self._asked_s is None else self.host.loop.clock() - self._asked_s

    def open_when_ready(self) -> None:
        """Make the instance once the process has loaded the subject. Raises SubjectError."""
        if not self.is_up and self.host.is_ready:
            self.host.wait_until_ready()
            opened = self.host.make_instance(CLIENT, self._url)
            self.bound_s = (opened.latency_bound_ms or 0.0) / 1000
            self.is_up = True
            self.go_on_working()

    def wait_until_open(self) -> None:
        """Wait for the process. Raises SubjectError."""
        self.host.wait_until_ready()
        self.open_when_ready()

    def go_on_working(self) -> None:
        """Begin a step, if it works, has something to do, and none is under way."""
        post = self.post
        if not self.works or post is None or not self.is_up or self.is_busy or self.is_done:
            return
        self._asked_s = self.host.loop.clock()
        step = {
            **self._request,
            "history": post.path,
            "number": post.number,
            "zero_ns": post.zero_ns,
            "seconds": post.step_s,
            "job": post.job,
            "end": post.end,
            "step": post.step,
        }
        host = self.host
        host.load(CLIENT, step, lambda answer: self._take(host, answer))

    def freeze(self) -> None:
        """Stop the process where it is."""
        self.host.freeze()
        self.is_frozen = True

    def thaw(self) -> None:
        """Let a stopped process go on."""
        if self.is_frozen:
            self.host.go_on()
            self.is_frozen = False

    def crash(self) -> None:
        """Kill the process, and start another one; ``open_when_ready`` is called by whoever supervises."""
        self.host.kill()
        self._asked_s, self.is_frozen, self.is_up = None, False, False
        self.invalid_reason, self.has_died = "", False
        self.host = self._make_host()

    def close(self) -> None:
        """End the process and the passage."""
        self.host.kill()
        self.passage.close()

    def _take(self, host: HostProcess, answer: Answer) -> None:
        if host is not self.host:
            return
        self._asked_s = None
        counts = answer.get("ok")
        if not isinstance(counts, dict):
            error = answer.get("error") or {}
            self.invalid_reason = (
                f"{error.get('type')}: {error.get('message')}" if error else "no counts"
            )
            self.has_died = not self.host.is_alive
            return
        if self.post is not None and self.produces:
            self.post.job = int(counts.pop("job"))
        self.counts.update(counts)
        self.go_on_working()
