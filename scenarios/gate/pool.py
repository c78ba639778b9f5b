"""Workers in processes of their own, one task each at a time, messages as they come.

A worker whose parent is gone ends; whatever it started ends with it, because its run directory's leash sees
the end of its input. Ctrl-C is the parent's to handle: workers ignore it and are told to stop.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice, repeat
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from midpipe.faultinject.errors import (
    InternalError,
    MidpipeError,
    ServerError,
    SubjectError,
    UsageError,
)
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.tasks import Failed, Message, Result, Task
from midpipe.scenarios.gate.worker import Worker

_STOP, _ENOUGH = None, "enough"
_ERRORS = {kind.__name__: kind for kind in (ServerError, SubjectError, UsageError)}


class Pool:
    """Some workers.

    Args:
        server: which server each of them breaks; each has its own.
        jobs: how many; 1 works in this process, and so does a server that there is only one of.

    Attributes:
        jobs: how many there are.
    """

    def __init__(self, server: ServerSpec, jobs: int) -> None:
        self.jobs = 1 if server.is_shared else max(1, jobs)
        self._workers: list[tuple[BaseProcess, Connection]] = []
        self._waiting: deque[tuple[int, Task]] = deque()
        self._busy: dict[Connection, int] = {}
        self._is_called_off = False
        self._local: Worker | None = None
        if self.jobs == 1:
            self._local = Worker(server, lambda: self._is_called_off)
            return
        context = multiprocessing.get_context("spawn")
        # Its own start ends in letting SIGINT through, whoever held it back: so it comes first.
        resource_tracker.ensure_running()
        for processor in _processors(jobs):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(server, theirs, os.getpid(), processor), daemon=True
            )
            with _interrupts_held_back():
                process.start()
            theirs.close()
            self._workers.append((process, ours))

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Message]]:
        """Do the tasks; yields (task number, message) as they come. Raises MidpipeError on the first failure."""
        self._waiting, self._busy, self._is_called_off = deque(enumerate(tasks)), {}, False
        while self._local is not None and self._waiting:
            number, task = self._waiting.popleft()
            for message in self._local.do(task):
                yield number, message
        for _, connection in self._workers:
            self._give(connection)
        while self._busy:
            for ready in wait(list(self._busy)):
                assert isinstance(ready, Connection)
                number = self._busy[ready]
                message = _receive(ready)
                if isinstance(message, Failed):
                    raise _error_from(message)
                yield number, message
                if isinstance(message, Result):
                    del self._busy[ready]
                    self._give(ready)

    def call_off(self) -> tuple[int, ...]:
        """Begin no further task of this run, end those under way as if their time was up; return those not begun."""
        left = tuple(number for number, _ in self._waiting)
        self._waiting.clear()
        self._is_called_off = True
        for connection in self._busy:
            with suppress(OSError):
                connection.send(_ENOUGH)
        return left

    def _give(self, connection: Connection) -> None:
        if self._waiting:
            number, task = self._waiting.popleft()
            self._busy[connection] = number
            connection.send(task)

    def close(self) -> None:
        """Stop every worker, whatever it is doing."""
        if self._local is not None:
            self._local.close()
            self._local = None
        for process, connection in self._workers:
            with suppress(OSError):
                connection.send(_STOP)
            connection.close()
            process.join(0.2)
            if process.is_alive():
                process.terminate()
                process.join()
        self._workers.clear()


def _processors(jobs: int) -> Iterator[int | None]:
    """Return on which processor each worker shall stay, with all that it starts; None leaves it to the system.

    In a case one process waits for the other, so to wake up another processor each time costs more than it brings. But
    only workers that fill the machine may choose: fewer would crowd on some processors and leave the others idle.
    """
    able = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    if not able or jobs < len(able):
        return repeat(None, jobs)
    return islice(cycle(able), jobs)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold back what would end us; a process that is started here inherits that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _error_from(failed: Failed) -> MidpipeError:
    if failed.kind in _ERRORS:
        return _ERRORS[failed.kind](failed.message)
    return InternalError(failed.message, failed.trace)


def _receive(connection: Connection) -> Message:
    try:
        message: Message = connection.recv()
    except (EOFError, OSError) as error:
        raise MidpipeError(
            "A worker process died. Was it killed, or did the machine run out of memory?"
        ) from error
    return message


def _serve(server: ServerSpec, connection: Connection, parent: int, processor: int | None) -> None:
    """Serve one worker's tasks until told to stop or the parent is gone. Ctrl-C stays held back: the parent has it."""
    if processor is not None and sys.platform == "linux":
        os.sched_setaffinity(0, (processor,))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    worker: Worker | None = None
    try:
        # Whatever the parent sends while a task is under way means that it wants no more of it.
        worker = Worker(server, connection.poll)
        while (task := connection.recv()) is not _STOP:
            if task == _ENOUGH:
                continue
            try:
                for message in worker.do(task):
                    connection.send(message)
                    if os.getppid() != parent:
                        return
            except MidpipeError as error:
                connection.send(Failed(type(error).__name__, str(error)))
            except (EOFError, OSError):
                raise
            except Exception as error:  # whatever went wrong, the parent wants to tell it
                told = f"{type(error).__name__}: {error}"
                connection.send(Failed("InternalError", told, traceback.format_exc()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except MidpipeError as error:
        with suppress(EOFError, OSError):
            connection.recv()
            connection.send(Failed(type(error).__name__, str(error)))
    finally:
        if worker is not None:
            worker.close()
