"""A worker: its server, one rig at a time, tasks in and messages out. Runs in this process or in one of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from midpipe.faultinject.clock.port import Clock, NotFollowedError
from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.opening import AUTO, STEPPED, ServerSpec, open_server
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import Server
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.early_start import EarlyStart, open_named_server, start_early
from midpipe.scenarios.invariants.selection import ALL, Selection
from midpipe.scenarios.model.evidence import Invariant
from midpipe.scenarios.model.messages import Message, OnMachinesClock
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.processes import ForkServer

CONFIRMING_S = 10.0
"""How long after its deadline a task may go on to confirm a violation, in seconds. Otherwise one that is seen late
in the time of its program would be lost, while the rest of the budget goes to programs that pass."""

T = TypeVar("T")


class Task(Protocol):
    """What a worker is asked to do: plain values that travel to its process, and the code that does it there."""

    def run(self, worker: Worker) -> Iterator[Message]:
        """Do the task; yields a message for each case, the result last. Raises MidpipeError."""


class Worker:
    """Does tasks one after the other. Close it with ``close``.

    Args:
        server: the server to break.
        is_cancelled: asked between cases; true ends a task that has a deadline as if the deadline had come.
        judged_by: the invariants by which every case is judged.
        invariants: further ones.
        started: what was started for that server already; None starts it now.
        ends_s: when the time budget of the whole run ends, on the monotonic clock.

    Attributes:
        server: a server that keeps no data.
        judged_by: as given.
        clock: of the embedded servers, and of the subjects on them.

    Raises:
        ServerError: the server can't be started or does not answer.
        UsageError: the selection names an invariant or a file that does not exist, or a stepped clock is asked for, and
            can't be had.
    """

    def __init__(
        self,
        server: ServerSpec,
        is_cancelled: Callable[[], bool] = bool,
        judged_by: Selection = ALL,
        *,
        invariants: tuple[Invariant, ...] = (),
        started: EarlyStart | None = None,
        ends_s: float = math.inf,
    ) -> None:
        self.is_cancelled = is_cancelled
        self._ends_s = ends_s
        self.judged_by = judged_by
        self._invariants = (*judged_by.invariants.values(), *invariants)
        self._spec = server
        started = started or start_early(server)
        self._run, self.clock, self.server = started.run, started.clock, started.server
        self._loading = started.loading
        self._durable: dict[Persistence, Server] = {}
        # A server's answer takes 30 ms to read.
        self._tables: dict[Server, CommandTable] = {}
        self._reported = ""
        self._may_begin_again = False
        self._rig: Rig | None = None

    @property
    def fell_back(self) -> str:
        """Why the machine's clock is used although a stepped one was to be, as half a sentence; empty if it is not."""
        return self.clock.reason if self._spec.clock == AUTO else ""

    def do(self, task: Task) -> Iterator[Message]:
        """Do a task; yields a message for each case, the result last. Raises MidpipeError."""
        self._may_begin_again = self._may_leave_clock
        try:
            for message in task.run(self):
                self._may_begin_again = False
                yield from self._news()
                yield message
        except NotFollowedError as error:
            self._leave_stepped_clock(error)
            yield from self._news()
            yield from task.run(self)

    def _news(self) -> Iterator[OnMachinesClock]:
        """Yield that the stepped clock is not used, once for each reason."""
        if self.fell_back != self._reported:
            self._reported = self.fell_back
            yield OnMachinesClock(self.fell_back)

    def begun_again(self, run: Callable[[], T]) -> T:
        """Return what a function returns. It is called once more, on the machine's clock, if a process does not follow.

        Args:
            run: runs cases, and reports none before it returns.
        """
        before, self._may_begin_again = self._may_begin_again, self._may_leave_clock
        try:
            return run()
        except NotFollowedError as error:
            self._leave_stepped_clock(error)
            return run()
        finally:
            self._may_begin_again = before

    @property
    def _may_leave_clock(self) -> bool:
        return self.clock.is_stepped and self._spec.clock == AUTO

    def _not_followed(self, error: NotFollowedError) -> None:
        """Raise the error, so that what runs begins again on the machine's clock; not if it has reported cases."""
        if self._may_begin_again:
            raise error

    def is_over(self, deadline_s: float) -> bool:
        """Whether no further case may begin.

        Args:
            deadline_s: on the monotonic clock.
        """
        return self.is_cancelled() or time.monotonic() > deadline_s

    def may_not_confirm(self, deadline_s: float) -> bool:
        """Whether no case may be run again to confirm a violation, in a task with that deadline."""
        return self.is_over(min(self._ends_s, deadline_s + CONFIRMING_S))

    def rig(self, subject: SubjectSpec, persistence: Persistence | None = None) -> Rig:
        """Return the rig of a subject: the last one if it is that, else a new one, and the last one is closed.

        Args:
            persistence: of the server; None takes the one that keeps no data.

        Raises:
            NotApplicableError: the server can't have that persistence.
            SubjectError: the subject can't be hosted.
            UsageError: the server is not midpipe's, so it has the persistence that it has.
        """
        server = self.server if persistence is None else self.durable_server(persistence)
        if not self.has_rig(subject, server):
            if self._rig is not None:
                self._rig.close()
                self._rig = None
            self._rig = self._new_rig(server, subject)
        assert self._rig is not None
        return self._rig

    def has_rig(self, subject: SubjectSpec, server: Server) -> bool:
        """Whether the last rig is one of that subject on that server."""
        rig = self._rig
        return rig is not None and rig.subject == subject and rig.server is server

    def second_rig(self, subject: SubjectSpec, persistence: Persistence) -> Rig:
        """Return a rig beside the last one, on a server that keeps its data. The caller closes it."""
        return self._new_rig(self.durable_server(persistence), subject)

    def _new_rig(self, server: Server, subject: SubjectSpec) -> Rig:
        clock = self.clock if isinstance(server, EmbeddedServer) else None
        try:
            rig = Rig(
                server,
                subject,
                self._run,
                invariants=self._invariants,
                clock=clock,
                table=self._tables.get(server),
                loading=self._take_loading(clock),
            )
        except NotFollowedError as error:
            if self._spec.clock == STEPPED:
                raise UsageError(
                    f"{error} Leave --clock stepped out to use the machine's clock."
                ) from None
            self._leave_stepped_clock(error)
        else:
            self._tables[server] = rig.table
            rig.not_followed = self._not_followed
            return rig
        again = self.server if server.persistence is Persistence.NONE else None
        return self._new_rig(again or self.durable_server(server.persistence), subject)

    def _take_loading(self, clock: Clock | None) -> ForkServer | None:
        """Return the process that loads a subject already, once; None if there is none on this clock."""
        if clock is None and self.clock.is_stepped:
            return None
        taken, self._loading = self._loading, None
        return taken

    def _leave_stepped_clock(self, error: NotFollowedError) -> None:
        """Use the machine's clock from now on, and start the servers again on it."""
        if self._rig is not None:
            self._rig.close()
            self._rig = None
        if self._loading is not None:
            self._loading.close()
            self._loading = None
        self._stop_durable()
        self.server.stop()
        self.clock.close()
        self.clock = WallClock(error.reason)
        self.server = open_named_server(self._spec, self._run, self.clock)

    def durable_server(self, persistence: Persistence) -> Server:
        """Return a server of midpipe's own that keeps its data so, started if need be; the one before it is stopped.

        Raises:
            NotApplicableError: there is no such server.
            UsageError: the worker's server is not midpipe's own.
        """
        if persistence not in self._durable:
            if not self.server.is_ours:
                raise UsageError(
                    f"{self.server.name} is not midpipe's to kill. Leave --redis out to use the embedded one."
                )
            self._stop_durable()
            self._durable[persistence] = open_server(self._spec, self._run, persistence, self.clock)
        return self._durable[persistence]

    def close(self) -> None:
        """End the rig, the servers and everything that belongs to them."""
        if self._rig is not None:
            self._rig.close()
        if self._loading is not None:
            self._loading.close()
        self._stop_durable()
        self.server.stop()
        self.clock.close()
        self._run.close()

    def _stop_durable(self) -> None:
        while self._durable:
            self._durable.popitem()[1].stop()
