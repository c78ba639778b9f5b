"""What a fault does to one wire event, as plain data: to the connection, server, process, clock.

A fault never touches a socket or a process. ``WireEffects`` is what a proxy's link carries out, ``ServerEffects`` and
``Process`` and ``ClockEffects`` for the harness that owns server and clients. None of them knows a fault by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Deliver(Enum):
    """How much of the command reaches the server."""

    ALL = "all"
    NONE = "none"
    PART = "part"
    HELD = "held"
    UNANSWERED = "all of it, to a server that does not answer"


class Close(Enum):
    """How the client's connection ends: not at all, by a reset (RST), or in order (FIN)."""

    NO = "no"
    RESET = "reset"
    FIN = "fin"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireEffects:
    """What happens on the client's connection; the default passes command and reply unchanged.

    Args:
        deliver: how much of the command reaches the server.
        part: bytes delivered when ``deliver`` is PART.
        held_for: HELD only: delivered after that many further events of the client; None: once all clients are done.
        reply_passes: whether the server's reply reaches the client.
        close: how the client's connection ends after that.
        waits: nothing more passes and nothing is closed: the client can only run into its own time-out. A reply that
            was held arrives once the client sends something else on this connection.
        refuse: new connections are refused until the client's operation has ended, or has waited for a stated time.
        chunk: bytes per write, both ways; 0 sends whole frames.
        delay_ms: pause before each write, both ways.
    """

    deliver: Deliver = Deliver.ALL
    part: int = 0
    held_for: int | None = None
    reply_passes: bool = True
    close: Close = Close.NO
    waits: bool = False
    refuse: bool = False
    chunk: int = 0
    delay_ms: int = 0


PASS = WireEffects()


class Replacement(Enum):
    """What takes the place of a server that is killed after the event: nothing is killed, or one of four."""

    NONE = "none"
    RESTARTED = "the same server, started again"
    READDRESSED = "the same server, started again at another address"
    FROM_DISK = "the same server, started again with what was surely on its disk"
    REPLICA = "its replica, with what it has received"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEffects:
    """What happens to the server; the default leaves it alone. An outage ends with the client's operation.

    Args:
        before: commands that an operator runs on the server before this command is carried out.
        hangs_up: those commands make the server close every connection but the operator's.
        after: commands that undo ``before``, once the client's operation has ended, or has waited for a stated time.
        pauses: the server is stopped (SIGSTOP) before the command reaches it.
        snapshots_fail: the server's snapshots fail, from right before the command on.
        replica_lags: the replica has received everything up to this command, and receives nothing more until the
            operation has ended or it takes over.
        replacement: whether the server is killed after the event, and what replaces it.
    """

    before: tuple[tuple[str, ...], ...] = ()
    hangs_up: bool = False
    after: tuple[tuple[str, ...], ...] = ()
    pauses: bool = False
    snapshots_fail: bool = False
    replica_lags: bool = False
    replacement: Replacement = Replacement.NONE


UNTOUCHED = ServerEffects()


class Process(Enum):
    """What happens to the client's process: it runs on, is killed after the event, or is frozen before it."""

    RUNS = "runs"
    KILLED = "killed"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEffects:
    """What happens to time; the default leaves it alone.

    Args:
        elapse_s: how many seconds pass before the command is carried out.
        skew_s: by how much the wall clock of the client's process is off from then on.
        ends_with_operation: that clock is right again once the client's operation has ended.
    """

    elapse_s: float = 0.0
    skew_s: float = 0.0
    ends_with_operation: bool = False


UNMOVED = ClockEffects()


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects of one fault on one event."""

    wire: WireEffects = PASS
    server: ServerEffects = UNTOUCHED
    process: Process = Process.RUNS
    clock: ClockEffects = UNMOVED
