"""Starts what a worker needs first and what takes longest: its server, and the process that loads the subject.

Both start in processes of their own, so that this process can load the rest of midpipe meanwhile. Therefore this module
imports little. Knows no rig and no case.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from types import MappingProxyType

from midpipe.faultinject.clock.opening import open_clock
from midpipe.faultinject.clock.port import Clock
from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import binary_of
from midpipe.faultinject.servers.opening import (
    AUTO,
    EMBEDDED,
    STEPPED,
    WALL,
    ServerSpec,
    open_server,
)
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.processes import ForkServer

_ON_CLOCK = ", on {} clock"
_WHOSE = MappingProxyType({True: "a stepped", False: "the machine's"})


@dataclass(frozen=True, slots=True)
class EarlyStart:
    """What was started. Close it with ``close``, unless a worker was given it, which then closes it.

    Args:
        run: holds the files of the processes.
        clock: of an embedded server, and of the subjects on it.
        loading: loads the subject, on that clock; None if no subject was named, or none that can be loaded in advance.
    """

    run: RunDirectory
    clock: Clock
    server: Server
    loading: ForkServer | None = None

    def close(self) -> None:
        """End all that was started."""
        if self.loading is not None:
            self.loading.close()
        self.server.stop()
        self.clock.close()
        self.run.close()


def start_early(spec: ServerSpec, subject: SubjectSpec | None = None) -> EarlyStart:
    """Start a server, and a process that loads a subject.

    Raises:
        ServerError: the server can't be started or does not answer.
        SubjectError: the program that is to load the subject can't be run.
        UsageError: a stepped clock is asked for, and can't be had.
    """
    with ExitStack() as undo:
        run = undo.enter_context(closing(RunDirectory()))
        clock = undo.enter_context(closing(_clock_for(spec, run)))
        loading = None
        if subject is not None and subject.is_python:
            # As a rig names it for a program of one version.
            plain = subject.varied((), beside=False)
            loading = undo.enter_context(closing(ForkServer(plain, run, clock.environment())))
        server = open_named_server(spec, run, clock)
        undo.pop_all()
    return EarlyStart(run, clock, server, loading)


def name_without_clock(server: Server) -> str:
    """Return the name of a server that ``open_named_server`` has opened, without the clock that it is on."""
    name = server.name
    for whose in _WHOSE.values():
        name = name.removesuffix(_ON_CLOCK.format(whose))
    return name


def open_named_server(spec: ServerSpec, run: RunDirectory, clock: Clock) -> Server:
    """Start the server, or connect to it; its name says which clock it is on. Raises ServerError."""
    server = open_server(spec, run, clock=clock)
    if spec.kind == EMBEDDED:
        server.name += _ON_CLOCK.format(_WHOSE[clock.is_stepped])
    return server


def _clock_for(spec: ServerSpec, run: RunDirectory) -> Clock:
    """Return the clock that the user asked for."""
    if spec.clock == AUTO and spec.kind != EMBEDDED:
        return WallClock("midpipe has to start what reads the clock")
    if spec.clock == WALL:
        return WallClock("--clock wall was given")
    if spec.kind != EMBEDDED:
        raise UsageError(
            "--clock stepped takes the embedded server, because midpipe has to start what reads the clock. "
            "Leave --redis out, or name a binary: --redis embedded:redis-server."
        )
    clock = open_clock(run.subdirectory("clock"), binary_of(spec.where))
    if not clock.is_stepped and spec.clock == STEPPED:
        raise UsageError(
            f"--clock stepped is not possible here: {clock.reason}. Leave it out to use the machine's clock."
        )
    return clock
