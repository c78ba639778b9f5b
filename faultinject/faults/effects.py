"""What a fault does to one wire event, as plain data that the proxy carries out.

A fault never touches a socket: it describes how much of the command reaches the server, what becomes of the
reply, and how the connection ends. The proxy's link interprets these few fields and knows no fault by name.
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


class Process(Enum):
    """What becomes of the client's process: it runs on, is killed after the event, or is frozen before it."""

    RUNS = "runs"
    KILLED = "killed"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects of one fault on one event.

    Args:
        deliver: how much of the command reaches the server.
        part: bytes delivered when ``deliver`` is PART.
        held_for: HELD only: delivered after that many further events of the client; None: once all clients are done.
        reply_passes: whether the server's reply reaches the client.
        close: how the client's connection ends after that.
        waits: nothing more passes and nothing is closed: the client can only run into its own time-out.
        refuse: connections are refused until the client's operation has ended.
        server_before: commands that are run on the server, by its operator, before this one is carried out.
        server_hangs_up: those commands make the server close every connection but the operator's.
        server_after: commands that undo them, once the client's operation has ended.
        process: what becomes of the client's process.
        pauses_server: the server is stopped before the command reaches it, until the client's operation has ended.
        kills_server: the server is killed after the event, and started again.
        readdresses_server: as by ``kills_server``, and it comes back at another address.
        fails_snapshots: the server's snapshots fail from right before the command until the operation has ended.
        replica_lags: the replica has got everything up to this command, and gets nothing more until the client's
            operation has ended or it takes over.
        takes_over: the server is killed after the event, and its replica takes over with what it has got.
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
    server_before: tuple[tuple[str, ...], ...] = ()
    server_hangs_up: bool = False
    server_after: tuple[tuple[str, ...], ...] = ()
    process: Process = Process.RUNS
    pauses_server: bool = False
    kills_server: bool = False
    readdresses_server: bool = False
    fails_snapshots: bool = False
    replica_lags: bool = False
    takes_over: bool = False
    chunk: int = 0
    delay_ms: int = 0
