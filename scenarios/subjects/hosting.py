"""A subject's process, seen from midpipe: started, spoken to line by line, and ended whatever it does.

Answers arrive through the event loop, so that a call can hang on a held command while midpipe goes on. What
the subject prints goes to a file of its own. Knows the protocol, no queue and no program.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faultinject.errors import SubjectError
from faultinject.net.loop import Loop
from faultinject.servers.leash import RunDirectory
from scenarios.history import Json
from scenarios.subjects.spec import SubjectSpec

_READ_BYTES = 65536
_TAIL_BYTES = 2000

Answer = Mapping[str, Any]
Answered = Callable[[Answer], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a host says of an instance once it is made.

    Args:
        methods: names of its public calls.
        latency_bound_ms: the bound it declares for every call; None if it declares none.
        fifo: it gives jobs out in the order in which they came.
        waits_for_replicas: it acknowledges a write only once a replica has it.
    """

    methods: frozenset[str]
    latency_bound_ms: float | None
    fifo: bool = True
    waits_for_replicas: bool = False


class HostProcess:
    """One process that hosts a subject.

    Args:
        spec: the subject.
        loop: delivers the answers.
        run: keeps what the subject prints, and kills the process if midpipe dies.
    """

    def __init__(self, spec: SubjectSpec, loop: Loop, run: RunDirectory) -> None:
        self._spec = spec
        self.loop = loop
        self._run = run
        self._next_id = 0
        self._waiting: dict[int, Answered] = {}
        self._buffer = b""
        self._ready: Mapping[str, Any] | None = None
        self.trouble = ""
        self._printed: Path = run.subdirectory("subject") / "printed"
        self._start()

    @property
    def is_alive(self) -> bool:
        return not self.trouble and self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait until the subject is loaded. Raises SubjectError if it can't be, with the way out."""
        patience_s = self._spec.patience_s
        self.loop.run_until(lambda: self._ready is not None or bool(self.trouble), patience_s)
        name = self._spec.text
        if self.trouble:
            raise SubjectError(f"The subject {name} {self.trouble}.{self._said()}")
        ready = self._ready
        if ready is None:
            self.kill()
            raise SubjectError(
                f"The subject {name} was not loaded within {patience_s:g} s. Does its module wait for something "
                f"when it is imported? --patience gives it longer.{self._said()}"
            )
        if not ready.get("ready"):
            error = ready.get("error") or {}
            self.kill()
            raise SubjectError(
                f"The subject {name} can't be loaded: {error.get('type')}: {error.get('message')}. "
                "Check the name, and give --path DIR for its imports or --python for its interpreter."
            )

    def make_instance(self, client: str, url: str) -> Opened:
        """Make a fresh instance of the subject for a client, and wait for it. Raises SubjectError."""
        return self.begin_instance(client, url)()

    def begin_instance(self, client: str, url: str) -> Callable[[], Opened]:
        """Begin to make a fresh instance of the subject for a client; return what waits for it.

        Raises:
            SubjectError: when waited for: its constructor raised or hung, or the process died.
        """
        answers: list[Answer] = []
        self._send({"do": "open", "client": client, "redis": url}, answers.append)
        return lambda: self._opened(answers)

    def _opened(self, answers: list[Answer]) -> Opened:
        name, patience_s = self._spec.text, self._spec.patience_s
        if not self.loop.run_until(lambda: bool(answers), patience_s):
            self.kill()
            raise SubjectError(
                f"The constructor of {name} did not return within {patience_s:g} s. midpipe calls it with a "
                f"Redis URL; does it wait for something else? --patience gives it longer.{self._said()}"
            )
        answer = answers[0]
        if self.trouble:
            raise SubjectError(f"The subject {name} {self.trouble}.{self._said()}")
        error = answer.get("error")
        if error:
            raise SubjectError(
                f"The constructor of {name} raised {error.get('type')}: {error.get('message')}. "
                "midpipe calls it with one argument, a Redis URL."
            )
        bound = answer.get("latency_bound_s")
        return Opened(
            frozenset(str(method) for method in answer.get("methods") or ()),
            bound * 1000 if isinstance(bound, int | float) else None,
            answer.get("fifo") is not False,
            answer.get("waits_for_replicas") is True,
        )

    def sources(self, client: str) -> Mapping[str, tuple[str, int]]:
        """Return the text and the first line of each method of the client's instance; empty if it has none to show."""
        answers: list[Answer] = []
        self._send({"do": "source", "client": client}, answers.append)
        self.loop.run_until(lambda: bool(answers), self._spec.patience_s)
        found = answers[0].get("ok") if answers else None
        if not isinstance(found, dict):
            return {}
        return {name: (str(text), int(line)) for name, (text, line) in found.items()}

    def call(
        self, client: str, method: str, arguments: Mapping[str, Json], answered: Answered
    ) -> None:
        """Call a method of the client's instance."""
        self._send({"do": "call", "client": client, "method": method, "args": arguments}, answered)

    def close_client(self, client: str) -> None:
        """Drop the client's instance, and its connections with it."""
        self._send({"do": "close", "client": client}, lambda answer: None)

    def printed(self) -> str:
        """Return the last that the subject printed."""
        try:
            with self._printed.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                return file.read().decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def printed_size(self) -> int:
        """Return how many bytes the subject has printed."""
        try:
            return self._printed.stat().st_size
        except OSError:
            return 0

    def freeze(self) -> None:
        """Stop the process (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process now; safe to call twice."""
        self.loop.forget(self._out)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._run.release(self._process.pid)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except OSError:
                    continue
        self.trouble = self.trouble or "was ended"

    def _start(self) -> None:
        environment = {**os.environ, **dict(self._spec.environment), "PYTHONUNBUFFERED": "1"}
        roots = [*self._spec.paths, str(Path.cwd())]
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([*roots, *([known] if known else [])])
        try:
            with self._printed.open("ab") as printed:
                self._process = subprocess.Popen(
                    self._spec.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=printed,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise SubjectError(
                f"The subject's host {self._spec.command[0]!r} can't be started: {error.strerror}. "
                "Check --python or the command."
            ) from error
        self._run.guard(self._process.pid)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in = self._process.stdin.fileno()
        self._out = self._process.stdout
        self.loop.watch_readable(self._out, self._readable)

    def _send(self, message: dict[str, Any], answered: Answered) -> None:
        self._next_id += 1
        message["id"] = self._next_id
        self._waiting[self._next_id] = answered
        try:
            os.write(self._in, json.dumps(message, separators=(",", ":")).encode() + b"\n")
        except OSError:
            self._died()

    def _readable(self) -> None:
        data = os.read(self._out.fileno(), _READ_BYTES)
        if not data:
            self._died()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self._fail(f"answered {line[:80]!r}, which is not a JSON object")
            return
        if self._ready is None:
            self._ready = message
            return
        answered = self._waiting.pop(message.get("id", 0), None)
        if answered is None:
            self._fail(f"answered {line[:80]!r}, which is the answer to no question")
            return
        answered(message)

    def _died(self) -> None:
        code = self._process.wait()
        if self._ready is None or self._ready.get("ready"):
            self._fail(f"ended with exit code {code}")
        else:
            self.loop.forget(self._out)

    def _fail(self, trouble: str) -> None:
        self.trouble = self.trouble or trouble
        self.loop.forget(self._out)
        if self._process.poll() is None:
            self._process.kill()
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            answered({"error": {"type": "SubjectDied", "message": self.trouble}})

    def _said(self) -> str:
        printed = self.printed()
        return f" It printed: {printed[-400:]}" if printed else ""
