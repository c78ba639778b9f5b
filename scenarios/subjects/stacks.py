"""Reports which lines of the subject's code are waiting for a command's answer. Runs in the subject's process.

While midpipe holds a command back, the thread that sent it stands in a read, and its stack names the line that sent it.
midpipe asks by a signal; the handler appends one JSON line to a file. It is installed only when a finding is run again
for its story, so it costs nothing in a sweep. Imports nothing of midpipe's and runs on Python 3.8.

A line of the file::

    {"stacks": [[[file, line, function, is_own], …], …], "queued": [[[file, line, function, is_own], …], …]}

Each stack begins with the innermost frame. The stacks that can have sent the command come first: while an event loop of
the main thread waits, those of its tasks, and among them the tasks that wait in a library before those that wait for
another task; then the main thread's and those of the other threads. ``is_own`` says that the file belongs to neither
the standard library, nor an installed package, nor midpipe. ``queued`` has the stacks in which redis-py's pipelines
queued what ``execute`` has sent, in order.

Blind to: threads that Python did not start, and clients in other languages.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import signal
import sys
import sysconfig
import threading
from typing import Any

SIGNAL = signal.SIGRTMIN + 9 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR2
_MOST_FRAMES = 60


class Stacks:
    """Answers the signal for one process.

    Args:
        path: of the file that the answers are appended to.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._libraries = _libraries()
        self._asyncio = os.path.dirname(os.path.realpath(asyncio.__file__))
        self._queued: dict[int, list[list[Any]]] = {}
        self._executing: list[list[Any]] = []
        signal.signal(SIGNAL, self._report)
        self._observe_pipelines()

    def _report(self, _number: int, frame: Any) -> None:
        main = threading.main_thread().ident
        others = [
            self._frames(other)
            for thread, other in sys._current_frames().items()
            if thread not in (main, threading.get_ident())
        ]
        stacks = [*self._waiting_tasks(), self._frames(frame), *others]
        line = json.dumps({"stacks": stacks, "queued": self._executing}) + "\n"
        # This runs inside a call of the subject's: a full disk costs the story its lines, and the call goes on.
        with contextlib.suppress(OSError):
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line.encode())
            finally:
                os.close(file)

    def _waiting_tasks(self) -> list[list[Any]]:
        """Return the tasks' stacks if the main thread's loop waits; while a task runs, the main stack has it."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return []
        if asyncio.current_task(loop) is not None:
            return []
        # A set has no order of its own, and the oldest task has most likely sent the command that is decided first.
        tasks = sorted(
            asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name())
        )
        return sorted((self._awaited_by(task) for task in tasks), key=self._distance_from_the_wire)

    def _distance_from_the_wire(self, stack: list[Any]) -> int:
        """Return 0 for a task that waits in a library, 1 in the subject's own code, 2 in asyncio.

        A task that awaits ``gather`` or another task stands in its own line, one that awaits a lock or ``wait``
        stands in a file of asyncio's; of these files only ``streams.py`` reads from a socket.
        """
        if not stack:
            return 2
        file, _line, _function, is_own = stack[0]
        if is_own:
            return 1
        in_asyncio = os.path.dirname(file) == self._asyncio
        return 2 if in_asyncio and os.path.basename(file) != "streams.py" else 0

    def _awaited_by(self, task: Any) -> list[Any]:
        """Return the frames of a task, innermost first: asyncio itself reports the outermost coroutine only."""
        found: list[Any] = []
        coroutine = task.get_coro()
        while coroutine is not None:
            frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
            if frame is not None:
                found.append(self._frame(frame))
            coroutine = getattr(coroutine, "cr_await", None) or getattr(
                coroutine, "gi_yieldfrom", None
            )
        return found[::-1][:_MOST_FRAMES]

    def _frames(self, frame: Any) -> list[Any]:
        found: list[Any] = []
        while frame is not None and len(found) < _MOST_FRAMES:
            found.append(self._frame(frame))
            frame = frame.f_back
        return found

    def _frame(self, frame: Any) -> tuple[str, int, str, bool]:
        code = frame.f_code
        file = os.path.realpath(code.co_filename)
        return file, frame.f_lineno or 0, code.co_name, self._is_own(file)

    def _is_own(self, file: str) -> bool:
        return os.path.isfile(file) and not file.startswith(self._libraries)

    def _observe_pipelines(self) -> None:
        """Remember where redis-py's pipelines queue their commands: what is sent later is sent by ``execute``."""
        for name in ("redis.client", "redis.asyncio.client"):
            kind = getattr(sys.modules.get(name), "Pipeline", None)
            if kind is not None and not hasattr(kind, "_midpipe_observed"):
                kind._midpipe_observed = True
                self._observe(kind)

    def _observe(self, kind: Any) -> None:
        queue, execute = kind.pipeline_execute_command, kind.execute

        def queue_observed(pipeline: Any, *args: Any, **options: Any) -> Any:
            stack = self._frames(sys._getframe(1))
            self._queued.setdefault(id(pipeline), []).append(stack)
            return queue(pipeline, *args, **options)

        def execute_observed(pipeline: Any, *args: Any, **options: Any) -> Any:
            self._executing = self._queued.pop(id(pipeline), [])
            sent = execute(pipeline, *args, **options)
            if inspect.isawaitable(sent):
                return self._sent(sent)
            self._executing = []
            return sent

        kind.pipeline_execute_command, kind.execute = queue_observed, execute_observed

    async def _sent(self, sent: Any) -> Any:
        try:
            return await sent
        finally:
            self._executing = []


def _libraries() -> tuple[str, ...]:
    """Return the directories whose files are not the user's: the standard library, what is installed, and this one."""
    paths = sysconfig.get_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found.add(os.path.dirname(os.path.abspath(__file__)))
    return tuple(os.path.realpath(path) + os.sep for path in sorted(found))
