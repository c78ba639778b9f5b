"""midpipe's side of a subject's process: start it, send it requests line by line, and end it whatever it does.

Answers arrive through the event loop, so that a call can hang on a held command while midpipe continues. The subject's
output goes to a file. Knows the subject protocol, but no queue and no program.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.model.counters import LABELS
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects import process_tree
from midpipe.scenarios.subjects.opened import Opened, opened_from
from midpipe.scenarios.subjects.processes import (
    ForkServer,
    Process,
    Spawned,
    load_error_text,
    load_timeout_text,
    output_hint,
    tail_of,
)
from midpipe.scenarios.subjects.protocol import (
    MOST_BYTES,
    MalformedMessageError,
    ReadyMessage,
    check_counts,
    checked_sources,
    decode_answer,
    decode_ready,
)

_REPORTS_WITHIN_S = 1.0
_ENDS_WITHIN_S = 2.0
_LOOKS_AGAIN_AFTER_S = 0.002
_READ_BYTES = 65536
_ENCODER = json.JSONEncoder(separators=(",", ":"))

Answer = Mapping[str, Any]
Answered = Callable[[Answer], None]


class HostProcess:
    """One process that hosts a subject.

    Args:
        spec: the subject.
        loop: delivers the answers.
        run: keeps the subject's output, and kills the process if midpipe dies.
        fork_server: a process that has loaded the subject, to fork from; None starts a new process.
        environment: variables to set for a new process, such as those of a stepped clock.

    Raises:
        SubjectError: the process can't be started.
    """

    def __init__(
        self,
        spec: SubjectSpec,
        loop: Loop,
        run: RunDirectory,
        fork_server: ForkServer | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._spec = spec
        self.loop = loop
        self._run = run
        self._fork_server = fork_server
        self._next_id = 0
        self._waiting: dict[int | float, Answered] = {}
        # The parts of a line that has no end yet; joined once, so that a long line takes linear time.
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._ready: ReadyMessage | None = None
        self._frozen: tuple[int, ...] = ()
        self._may_have_children = True
        self.has_had_children = False
        self.failure = ""
        self.traces_sources = False
        self.journal: Path | None = None
        directory = run.subdirectory("subject")
        self._printed: Path = directory / "printed"
        self._stacks: Path = directory / "stacks"
        self._process: Process = (
            fork_server.fork(self._printed)
            if fork_server
            else Spawned(spec, self._printed, environment)
        )
        self.pid = self._process.pid
        run.guard(self.pid)
        loop.watch_readable(self._process.answers, self._readable)
        if self._process.ended is not None:
            loop.watch_readable(self._process.ended, self._ended)

    @property
    def is_alive(self) -> bool:
        return not self.failure and self._process.is_running()

    @property
    def is_ready(self) -> bool:
        """Whether ``wait_until_ready`` returns or raises at once."""
        return self._ready is not None or bool(self.failure)

    def wait_until_ready(self) -> None:
        """Wait until the subject is loaded. Raises SubjectError with the reason if it can't be."""
        patience_s = self._spec.patience_s
        process_tree.is_over_while_computing(
            self.pid, lambda: self.loop.run_until(lambda: self.is_ready, patience_s)
        )
        name = self._spec.name
        if self.failure:
            raise SubjectError(f"The subject {name} {self.failure}.{output_hint(self._printed)}")
        ready = self._ready
        if ready is None:
            self.kill()
            raise SubjectError(load_timeout_text(self._spec) + output_hint(self._printed))
        if not ready["ready"]:
            self.kill()
            raise SubjectError(load_error_text(self._spec, ready))

    def make_instance(self, client: str, url: str) -> Opened:
        """Make a new instance of the subject for a client, and wait for it. Raises SubjectError."""
        return self.begin_instance(client, url)()

    def begin_instance(self, client: str, url: str) -> Callable[[], Opened]:
        """Begin to make a new instance of the subject for a client; return a function that waits for it.

        Raises:
            SubjectError: when waited for: its constructor raised or hung, or the process died.
        """
        answers: list[Answer] = []
        asked = {"do": "open", "client": client, "redis": url, "counters": sorted(LABELS)}
        if self.journal is not None:
            asked["journal"] = str(self.journal)
        if self.traces_sources:
            asked["stacks"] = str(self._stacks)
        self._send(asked, answers.append)
        return lambda: self._opened(answers)

    def _opened(self, answers: list[Answer]) -> Opened:
        name, patience_s = self._spec.name, self._spec.patience_s
        if not process_tree.is_over_while_computing(
            self.pid, lambda: self.loop.run_until(lambda: bool(answers), patience_s)
        ):
            self.kill()
            raise SubjectError(
                f"The constructor of {name} did not return within {patience_s:g} s. midpipe calls it with a "
                f"Redis URL; does it wait for something else? --patience gives it longer.{output_hint(self._printed)}"
            )
        answer = answers[0]
        if self.failure:
            raise SubjectError(f"The subject {name} {self.failure}.{output_hint(self._printed)}")
        error = answer.get("error")
        if error:
            raise SubjectError(
                f"The constructor of {name} raised {error.get('type')}: {error.get('message')}. "
                "midpipe calls it with one argument, a Redis URL."
            )
        return opened_from(answer)

    def sources(self, client: str) -> Mapping[str, tuple[str, int]]:
        """Return the text and first line number of each method of the client's instance; empty without source code."""
        answers: list[Answer] = []
        self._send({"do": "source", "client": client}, answers.append)
        self.loop.run_until(lambda: bool(answers), self._spec.patience_s)
        try:
            return checked_sources(answers[0].get("ok") if answers else None)
        except MalformedMessageError:
            return {}

    def call(
        self,
        client: str,
        method: str,
        arguments: Mapping[str, Json],
        answered: Answered,
        *,
        counts: bool = True,
    ) -> None:
        """Call a method of the client's instance.

        Args:
            answered: is called with the answer, as the host sent it.
            counts: the answer lists the increases of the subject's counters.
        """
        asked = {"do": "call", "client": client, "method": method, "args": arguments}
        self._send(asked if counts else {**asked, "counts": False}, answered)

    def load(self, client: str, step: Mapping[str, Json], answered: Answered) -> None:
        """Have the client's instance work for a while in its own process, as ``load.py`` describes."""

        def check(answer: Answer) -> None:
            try:
                if "error" not in answer:
                    check_counts(answer.get("ok"))
            except MalformedMessageError as error:
                answer = _error_answer("MalformedAnswer", f"the counts of load: {error}")
            answered(answer)

        self._send({"do": "load", "client": client, **step}, check)

    @property
    def is_idle(self) -> bool:
        """Whether it is alive and has answered every request."""
        return self.is_alive and not self._waiting

    def close_client(self, client: str, answered: Answered = lambda answer: None) -> None:
        """Drop the client's instance and its connections.

        Args:
            answered: is called with the answer; ``clean`` in it says that nothing is left of the instance.
        """
        self._send({"do": "close", "client": client}, answered)

    def stacks(self) -> object:
        """Return what ``stacks.py`` reports of the process while it waits for a reply; None if it does not report.

        Only an instance that was made with ``traces_sources`` reports.
        """
        if not self.traces_sources or not self._spec.is_python or not self.is_alive:
            return None
        self._stacks.unlink(missing_ok=True)
        # Loads asyncio, which is needed for nothing else here.
        from midpipe.scenarios.subjects.stacks import SIGNAL

        os.kill(self._process.pid, SIGNAL)
        up_s = self.loop.clock() + _REPORTS_WITHIN_S
        while self.loop.clock() < up_s:
            text = self._stacks.read_bytes() if self._stacks.exists() else b""
            if text.endswith(b"\n"):
                with suppress(ValueError):
                    return json.loads(text)
                return None
            time.sleep(_LOOKS_AGAIN_AFTER_S)
        return None

    def printed(self) -> str:
        """Return the end of the subject's output."""
        return tail_of(self._printed)

    def printed_size(self) -> int:
        """Return the size of the subject's output in bytes."""
        try:
            return self._printed.stat().st_size
        except OSError:
            return 0

    def freeze(self) -> None:
        """Stop the process and all that it has started (SIGSTOP)."""
        self._frozen = process_tree.freeze(self._process.pid)

    def resume(self) -> None:
        """Let them continue (SIGCONT)."""
        process_tree.resume(self._frozen)

    def kill(self) -> None:
        """Kill the process and all that it has started; safe to call twice."""
        self._end()
        self.failure = self.failure or "was ended"

    def _end(self) -> None:
        """Kill what still runs of the process and of all that it has started."""
        process = self._process
        if process.answers.closed:
            return
        self._stop_watching()
        if process.code is not None:
            process_tree.kill_group(process.pid)
        elif self._may_have_children or self._waiting:
            self.has_had_children |= process_tree.kill(process.pid) > 0
        else:
            # Nothing runs beside it, so the costly look at every process of the machine is saved.
            process_tree.kill_group(process.pid)
        process.wait(_ENDS_WITHIN_S)
        self._run.release(process.pid)
        for file in filter(None, (process.requests, process.answers, process.ended)):
            with suppress(OSError):
                file.close()

    def _send(self, message: dict[str, Any], answered: Answered) -> None:
        self._next_id += 1
        message["id"] = self._next_id
        self._waiting[self._next_id] = answered
        try:
            os.write(
                self._process.requests.fileno(),
                _ENCODER.encode(message).encode() + b"\n",
            )
        except OSError:
            self._died()

    def _ended(self) -> None:
        """The process has ended: take what it had answered before."""
        while not self._process.answers.closed and self._read():
            pass
        if not self._process.answers.closed:
            self._died()

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """Take what has arrived; return whether there was anything."""
        try:
            data = os.read(self._process.answers.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._died()
            return False
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._take(b"".join((*self._parts, line)))
            self._parts, self._parts_size = [], 0
        self._parts.append(rest)
        self._parts_size += len(rest)
        if self._parts_size > MOST_BYTES:
            self._fail(f"answered more than {MOST_BYTES >> 20} MiB without the end of a line")
        return True

    def _take(self, line: bytes) -> None:
        if self.failure:
            return
        try:
            if self._ready is None:
                self._ready = decode_ready(line)
                return
            answer = decode_answer(line)
        except MalformedMessageError as error:
            self._fail(
                f"answered {line[:80]!r}, which does not follow the subject protocol ({error})",
                "MalformedAnswer",
            )
            return
        self._may_have_children = answer.get("children") is not False
        self.has_had_children |= answer.get("children") is True
        if self._fork_server is not None:
            self._fork_server.learn(answer.get("imported") or ())
        answered = self._waiting.pop(answer["id"], None)
        if answered is None:
            self._fail(
                f"answered {line[:80]!r}, which does not answer any request", "MalformedAnswer"
            )
            return
        answered(answer)

    def _died(self) -> None:
        code = self._process.wait(_ENDS_WITHIN_S)
        if self._ready is None or self._ready["ready"]:
            self._fail(
                "closed the pipes of the subject protocol"
                if code is None
                else f"ended with exit code {code}"
            )
        else:
            self._stop_watching()

    def _stop_watching(self) -> None:
        for file in filter(None, (self._process.answers, self._process.ended)):
            self.loop.forget(file)

    def _fail(self, failure: str, kind: str = "SubjectDied") -> None:
        self.failure = self.failure or failure
        self._end()
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            answered(_error_answer(kind, self.failure))


def _error_answer(kind: str, message: str) -> Answer:
    return {"error": {"type": kind, "message": message}}
