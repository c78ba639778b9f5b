"""A pool of workers, each in a process of its own with one task at a time, that passes on their messages.

A worker ends when its parent does, and the servers and subjects that it started end with it: the reaper of its run
directory sees the end of its input. Ctrl-C is handled by the parent; workers block it and are sent a stop message.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
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
from midpipe.scenarios.explore.worker import Task, Worker
from midpipe.scenarios.invariants.selection import ALL, Selection
from midpipe.scenarios.model.messages import Failed, Message, Result

_STOP, _CANCEL = None, "cancel"
_ERRORS = {kind.__name__: kind for kind in (ServerError, SubjectError, UsageError)}


Source = Callable[[], tuple[int, Task] | None]
"""Returns the next task with its number; None if there is none now. Asked again whenever a task has ended."""


class Pool:
    """A number of workers.

    Args:
        server: the kind of server that each worker starts for itself.
        jobs: number of workers. A server given by its URL always has just one.
        may_abandon: a worker that does not end its task in time is left behind, so all of them get processes of their
            own. Otherwise a single worker runs in this process, and so does that of a server given by its URL, whose
            keys only it can delete.
        judged_by: the invariants by which every case is judged.
        ends_s: when the time budget of the run ends, on the monotonic clock.

    Attributes:
        jobs: the actual number of workers.
    """

    def __init__(
        self,
        server: ServerSpec,
        jobs: int,
        *,
        may_abandon: bool = False,
        judged_by: Selection = ALL,
        ends_s: float = math.inf,
    ) -> None:
        self.jobs = 1 if server.is_shared else max(1, jobs)
        self._workers: list[tuple[BaseProcess, Connection]] = []
        self._busy: dict[Connection, int] = {}
        self._abandoned: set[Connection] = set()
        self._is_cancelled = False
        self._local: Worker | None = None
        if self.jobs == 1 and (server.is_shared or not may_abandon):
            self._local = Worker(server, lambda: self._is_cancelled, judged_by, ends_s=ends_s)
            return
        context = multiprocessing.get_context("spawn")
        # Starting the resource tracker unblocks SIGINT, so it must come before the signal is blocked below.
        resource_tracker.ensure_running()
        for processor in _processors(self.jobs):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(server, judged_by, ends_s, theirs, os.getpid(), processor),
                daemon=True,
            )
            with _signals_blocked():
                process.start()
            theirs.close()
            self._workers.append((process, ours))

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Message]]:
        """Run tasks in order; yields (number, message) as messages arrive. Raises MidpipeError on the first failure."""
        numbered = iter(enumerate(tasks))
        return self.run_from(lambda: next(numbered, None))

    def run_from(
        self, source: Source, abandon_s: float = math.inf
    ) -> Iterator[tuple[int, Message]]:
        """Run tasks as their source hands them out; yields (number, message) as messages arrive.

        Args:
            abandon_s: on the monotonic clock; a worker that is still busy then is left behind. Its task counts as not
                ended, and it takes part again once it has ended.

        Raises:
            MidpipeError: a task or a worker has failed.
        """
        self._is_cancelled = False
        if self._local is not None:
            while not self._is_cancelled and (assigned := source()) is not None:
                number, task = assigned
                for message in self._local.do(task):
                    yield number, message
            return
        self._assign(source)
        while self._busy or (self._all_are_abandoned and time.monotonic() < abandon_s):
            for connection in self._ready(abandon_s):
                message = _receive(connection)
                if isinstance(message, Failed):
                    raise _error_from(message)
                if connection in self._abandoned:
                    if isinstance(message, Result):
                        self._abandoned.remove(connection)
                    continue
                number = self._busy[connection]
                if isinstance(message, Result):
                    del self._busy[connection]
                yield number, message
            self._assign(source)

    def cancel(self) -> None:
        """Start no further task of this run, and end the running ones as if their time was up."""
        self._is_cancelled = True
        for connection in self._busy:
            with suppress(OSError):
                connection.send(_CANCEL)

    @property
    def _all_are_abandoned(self) -> bool:
        return len(self._abandoned) == len(self._workers)

    def _assign(self, source: Source) -> None:
        """Give every idle worker a task, as long as the source has one."""
        for _, connection in self._workers:
            if self._is_cancelled or connection in self._busy or connection in self._abandoned:
                continue
            assigned = source()
            if assigned is None:
                return
            number, task = assigned
            self._busy[connection] = number
            connection.send(task)

    def _ready(self, abandon_s: float) -> list[Connection]:
        """Wait for messages; return the connections that have one. After ``abandon_s``, busy workers are abandoned."""
        timeout_s = None if math.isinf(abandon_s) else max(0.0, abandon_s - time.monotonic())
        ready = wait([*self._busy, *self._abandoned], timeout_s)
        connections = [connection for connection in ready if isinstance(connection, Connection)]
        if time.monotonic() >= abandon_s:
            self._abandoned.update(self._busy)
            self._busy.clear()
        return connections

    def close(self) -> None:
        """Stop every worker, even in the middle of a task."""
        if self._local is not None:
            self._local.close()
            self._local = None
        for _, connection in self._workers:
            with suppress(OSError):
                connection.send(_STOP)
            connection.close()
        stop_s = time.monotonic() + 0.2
        for process, _ in self._workers:
            process.join(max(0.0, stop_s - time.monotonic()))
            if process.is_alive():
                # A worker that is still being started, which takes seconds on a busy machine, does not notice SIGTERM.
                process.kill()
                process.join()
        self._workers.clear()


def _processors(jobs: int) -> Iterator[int | None]:
    """Return the processor to which each worker is pinned, with its child processes; None leaves it to the system.

    In a case one process always waits for another one, so waking up a second processor costs more than it gains. Only
    as many workers as there are processors are pinned: fewer would crowd on some and leave the others idle.
    """
    available = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    if not available or jobs < len(available):
        return repeat(None, jobs)
    return islice(cycle(available), jobs)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGTERM, for this process and for one that is started inside the context."""
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


def _serve(
    server: ServerSpec,
    judged_by: Selection,
    ends_s: float,
    connection: Connection,
    parent: int,
    processor: int | None,
) -> None:
    """Run tasks until a stop message arrives or the parent is gone. SIGINT stays blocked: the parent handles it."""
    if processor is not None and sys.platform == "linux":
        os.sched_setaffinity(0, (processor,))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    worker: Worker | None = None
    try:
        # The only message that the parent sends during a task is the one that cancels it.
        worker = Worker(server, connection.poll, judged_by, ends_s=ends_s)
        while (task := connection.recv()) is not _STOP:
            if task == _CANCEL:
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
            except Exception as error:  # the parent reports it as an internal error
                reason = f"{type(error).__name__}: {error}"
                connection.send(Failed("InternalError", reason, traceback.format_exc()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except MidpipeError as error:
        with suppress(EOFError, OSError):
            connection.recv()
            connection.send(Failed(type(error).__name__, str(error)))
    finally:
        if worker is not None:
            worker.close()
