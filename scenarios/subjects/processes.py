"""The processes that run subjects: started anew, or forked from a process that has loaded the subject.

Loading a subject takes a fifth of a second, most of it for the driver's import; a fork takes a few milliseconds. A fork
starts with the subject imported, as under a pre-forking server. A subject whose import leaves threads or sockets behind
can't be forked soundly, so each of its processes loads it anew. Each process leads a session of its own and is a child
subreaper, so that ``process_tree`` finds what it has started. Knows only the first line of the subject protocol.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects import process_tree
from midpipe.scenarios.subjects.protocol import ReadyMessage, decode_ready

_ANSWERS_WITHIN_S = 10.0
_MOST_BYTES = 65536
_IMPORTED_AT_ONCE = 100
_TAIL_BYTES = 2000
_MISSING = ("ImportError", "ModuleNotFoundError")


class Process(Protocol):
    """A process that serves a subject, with a pipe in each direction.

    Attributes:
        requests, answers: midpipe's ends of the pipes; reads do not block.
        ended: becomes readable when the process ends, even if a process that it has started keeps the pipes open; None
            where the system has no such file.
    """

    pid: int
    requests: IO[bytes]
    answers: IO[bytes]
    ended: IO[bytes] | None

    @property
    def code(self) -> int | None:
        """Its exit code, or the negated number of a signal, once it was waited for. Its pid is its own until then."""

    def is_running(self) -> bool:
        """Whether it has neither ended nor closed its answers."""

    def wait(self, within_s: float) -> int | None:
        """Wait for its end, at most so long; return its code, None if it is still running. Safe to call twice."""


class Spawned:
    """A process that loads the subject by itself. Raises SubjectError if its program can't be run."""

    def __init__(
        self, spec: SubjectSpec, printed: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._process = _spawned(
            spec, spec.command, printed, environment, subprocess.PIPE, subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.requests, self.answers = self._process.stdin, self._process.stdout
        self.ended = _end_of(self.pid)
        os.set_blocking(self.answers.fileno(), False)

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, within_s: float) -> int | None:
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return None


class ForkServer:
    """A process that loads a subject and forks processes that serve it. End it with ``close``.

    It loads the subject while midpipe does other things; whatever needs the subject waits until it is loaded.

    Args:
        run: keeps the subject's output, and kills the process if midpipe dies.
        environment: variables to set for the process and its forks, beside the subject's.
        learns: imports in advance what its forks have imported.

    Attributes:
        subject: as given.

    Raises:
        SubjectError: the program that is to load the subject can't be run.
    """

    def __init__(
        self,
        spec: SubjectSpec,
        run: RunDirectory,
        environment: Mapping[str, str] | None = None,
        *,
        learns: bool = True,
    ) -> None:
        self.subject = spec
        self._run = run
        self._learns = learns
        self._can_fork: bool | None = None
        # Whether each was imported here.
        self._modules: dict[str, bool] = {}
        self._printed = run.subdirectory("loading") / "printed"
        self._control, theirs = socket.socketpair()
        self._control.settimeout(spec.patience_s)
        with theirs:
            self._process = _spawned(
                spec, spec.fork_server_command, self._printed, environment, theirs, None
            )
        run.guard(self._process.pid)

    def wait_until_loaded(self) -> None:
        """Wait until the subject is loaded. Raises SubjectError with the reason if it can't be."""
        if self._can_fork is not None:
            return
        try:
            self._can_fork = self._loaded(self.subject).get("forks", False)
        except BaseException:
            self.close()
            raise
        self._control.settimeout(_ANSWERS_WITHIN_S)

    @property
    def can_fork(self) -> bool:
        """Whether the subject's import has left nothing behind that would make forking unsound; waits for the import.

        Raises:
            SubjectError: the subject can't be loaded; the message gives the reason.
        """
        self.wait_until_loaded()
        return bool(self._can_fork)

    @property
    def is_running(self) -> bool:
        """Whether the process that has loaded the subject has not ended."""
        return self._process.poll() is None

    def fork(self, printed: Path) -> Forked:
        """Fork a process that serves the subject.

        Args:
            printed: the file for its output.
        """
        requests_there, requests = os.pipe()
        answers, answers_there = os.pipe()
        with printed.open("ab") as file:
            theirs = [requests_there, answers_there, file.fileno()]
            try:
                pid = int(self.ask({"do": "fork"}, theirs)["pid"])
            except BaseException:
                os.close(requests)
                os.close(answers)
                raise
            finally:
                os.close(requests_there)
                os.close(answers_there)
        return Forked(
            self,
            pid,
            os.fdopen(requests, "wb", buffering=0),
            os.fdopen(answers, "rb", buffering=0),
        )

    def learn(self, modules: Iterable[str]) -> None:
        """Note which modules of libraries a fork has imported by itself."""
        if self._learns:
            for name in modules:
                self._modules.setdefault(name, False)

    def import_learnt(self) -> bool:
        """Import what forks have imported by themselves; return whether forking is still sound afterwards."""
        names = [name for name, is_imported in self._modules.items() if not is_imported]
        for first in range(0, len(names), _IMPORTED_AT_ONCE):
            batch = names[first : first + _IMPORTED_AT_ONCE]
            self._modules.update(dict.fromkeys(batch, True))
            try:
                if not self.ask({"do": "import", "modules": batch})["forks"]:
                    return False
            except SubjectError:
                return False
        return True

    def ask(self, request: Mapping[str, Any], files: list[int] | None = None) -> Mapping[str, Any]:
        """Send a request with file descriptors; return the answer.

        Raises:
            SubjectError: the subject can't be loaded, or the process is gone.
        """
        self.wait_until_loaded()
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], files or [])
            answer: Mapping[str, Any] = json.loads(self._received())
        except (OSError, ValueError) as error:
            raise SubjectError(
                "The process that had loaded the subject has ended. Was it killed, or is the machine out of memory?"
            ) from error
        return answer

    def close(self) -> None:
        """End the process, those that it has forked, and what they have left behind."""
        self._control.close()
        if self._process.poll() is None:
            process_tree.kill(self._process.pid)
        self._process.wait()
        self._run.release(self._process.pid)

    def _received(self) -> bytes:
        """Receive an answer. Raises TimeoutError if the process waits for something else."""
        timeout_s = self._control.gettimeout()

        def is_readable() -> bool:
            return bool(select.select([self._control], [], [], timeout_s)[0])

        if not process_tree.is_over_while_computing(self._process.pid, is_readable):
            raise TimeoutError
        return self._control.recv(_MOST_BYTES)

    def _loaded(self, spec: SubjectSpec) -> ReadyMessage:
        """Wait until the subject is loaded. Raises SubjectError."""
        try:
            answer = decode_ready(self._received())
        except TimeoutError as error:
            raise SubjectError(load_timeout_text(spec) + output_hint(self._printed)) from error
        except (OSError, ValueError) as error:
            code = self._process.wait()
            raise SubjectError(
                f"The subject {spec.name} ended with exit code {code}.{output_hint(self._printed)}"
            ) from error
        if not answer["ready"]:
            raise SubjectError(load_error_text(spec, answer))
        return answer


class Forked:
    """A process that a fork server has forked."""

    def __init__(
        self, server: ForkServer, pid: int, requests: IO[bytes], answers: IO[bytes]
    ) -> None:
        self._server = server
        self.code: int | None = None
        self.pid = pid
        self.requests, self.answers = requests, answers
        self.ended = _end_of(pid)
        os.set_blocking(answers.fileno(), False)

    def is_running(self) -> bool:
        if self.code is not None or self.answers.closed:
            return False
        ended = select.poll()
        # Without a file that says so: its end of the pipe closes, unless a process that it has forked keeps it open.
        ended.register(self.answers, 0)
        if self.ended is not None and not self.ended.closed:
            ended.register(self.ended, select.POLLIN)
        return not ended.poll(0)

    def wait(self, within_s: float) -> int | None:
        if self.code is None:
            try:
                self.code = self._server.ask({"do": "wait", "pid": self.pid, "seconds": within_s})[
                    "code"
                ]
            except SubjectError:
                # Without its fork server no process can wait for it, so make sure that it ends.
                self.code = -signal.SIGKILL
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
        return self.code


def _end_of(pid: int) -> IO[bytes] | None:
    try:
        return os.fdopen(os.pidfd_open(pid), "rb", buffering=0)
    except (AttributeError, OSError):
        return None


def output_hint(printed: Path) -> str:
    """Return a sentence that quotes the end of the subject's output; empty if it printed nothing."""
    text = " ".join(tail_of(printed).split())
    return f" It printed: {text[-400:]}" if text else ""


def tail_of(printed: Path) -> str:
    """Return the end of the subject's output."""
    try:
        with printed.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def load_error_text(spec: SubjectSpec, answer: ReadyMessage) -> str:
    """Return the message for a subject whose import raised."""
    error = answer.get("error") or {}
    reason = ": ".join(filter(None, (error.get("type"), error.get("message")))) or "no reason given"
    advice = (
        "Install what is missing, or give --path DIR for its imports or --python for the interpreter that has it."
        if error.get("type") in _MISSING
        else "Check the name and the file."
    )
    return f"The subject {spec.name} can't be loaded: {reason}. {advice}"


def load_timeout_text(spec: SubjectSpec) -> str:
    """Return the message for a subject that took too long to load."""
    return (
        f"The subject {spec.name} was not loaded within {spec.patience_s:g} s. Does its module wait for something "
        "when it is imported? --patience gives it longer."
    )


def _spawned(
    spec: SubjectSpec,
    command: tuple[str, ...],
    printed: Path,
    variables: Mapping[str, str] | None,
    requests: int | socket.socket,
    answers: int | None,
) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        **dict(spec.environment),
        **(variables or {}),
        "PYTHONUNBUFFERED": "1",
    }
    # For Python, host.py adds the directories where they can't hide the standard library.
    if not spec.is_python:
        roots = [*spec.paths, str(Path.cwd())]
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([*roots, *([known] if known else [])])
    try:
        with printed.open("ab") as file:
            return subprocess.Popen(
                command,
                stdin=requests if isinstance(requests, int) else requests.fileno(),
                stdout=file if answers is None else answers,
                stderr=file,
                env=environment,
                start_new_session=True,
                # A fork server would not wait for the orphans that it adopts.
                preexec_fn=process_tree.become_subreaper if answers else None,
            )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SubjectError(
            f"The subject's host {command[0]!r} can't be started: {reason}. Check --python or the command."
        ) from error
