"""Which network faults there are, and where on the wire those that count bytes are put. Data and pure functions.

A fault by bytes on a fresh connection mostly hits the handshake, and so tells nothing of the queue. So one run without
faults is measured first, command by command, and ``limit_data`` is put beyond the handshake: into each command of the
call, behind it, and into each reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from midpipe.faultinject.toxiproxy.api_state import DOWNSTREAM, UPSTREAM, Attribute

TIME_OUT_MS = 1000
"""The clients' socket time-out."""


class Shows(Enum):
    """By what it is seen that a fault happened."""

    DELAY = "a call took longer than the fault alone"
    CUT = "a call raised, or its driver connected again"
    LATE_CLOSE = "the server's connection outlived its client"


@dataclass(frozen=True, slots=True)
class NetworkFault:
    """Toxics that are put on a proxy for one call, and taken off before its caller tries again.

    Args:
        name: as in reports and options.
        toxics: (type, stream, attributes) each.
        is_down: the proxy is down instead.
        is_warm: the client's connection has been used before, so that not the handshake is hit but the call.
        shows: by what it is seen that it happened.
        at_least_ms: with DELAY, what it takes.
    """

    name: str
    shows: Shows
    toxics: tuple[tuple[str, str, Mapping[str, Attribute]], ...] = ()
    is_down: bool = False
    is_warm: bool = False
    at_least_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Piece:
    """One command of the measured call, and its reply, as bytes of their connection from its beginning."""

    name: str
    command: range
    reply: range


@dataclass(slots=True)
class Tape:
    """What passed on one connection, in order: the call's pieces, after so many bytes of handshake each way."""

    pieces: list[Piece] = field(default_factory=list)
    up: int = 0
    down: int = 0


def _toxic(
    name: str, kind: str, shows: Shows, at_least_ms: float = 0.0, **attributes: Attribute
) -> tuple[NetworkFault, ...]:
    short = {UPSTREAM: "up", DOWNSTREAM: "down"}
    return tuple(
        NetworkFault(
            f"{name}-{short[stream]}", shows, ((kind, stream, attributes),), at_least_ms=at_least_ms
        )
        for stream in (UPSTREAM, DOWNSTREAM)
    )


_COLD = (
    *_toxic("latency", "latency", Shows.DELAY, 60.0, latency=60),
    *_toxic("jitter", "latency", Shows.DELAY, 20.0, latency=40, jitter=20),
    *_toxic("latency-beyond-time-out", "latency", Shows.CUT, latency=2 * TIME_OUT_MS),
    # A kilobyte a second: the few hundred bytes of a call take a part of a second.
    *_toxic("bandwidth", "bandwidth", Shows.DELAY, 15.0, rate=2),
    *_toxic("slicer", "slicer", Shows.DELAY, 10.0, average_size=8, size_variation=4, delay=5000),
    *_toxic("timeout", "timeout", Shows.CUT, timeout=100),
    *_toxic("black-hole", "timeout", Shows.CUT, timeout=0),
    *_toxic("reset-peer", "reset_peer", Shows.CUT, timeout=0),
    *_toxic("slow-close", "slow_close", Shows.LATE_CLOSE, delay=1000)[:1],
    NetworkFault("down", Shows.CUT, is_down=True),
)
# Of slow_close the way to the server: there a connection outlives its client. An old connection is never reset.
_HIT_THE_HANDSHAKE = ("latency-beyond-time-out", "timeout", "black-hole", "down")
STANDING = (
    *_COLD,
    *(
        replace(fault, name=f"{fault.name}-warm", is_warm=True)
        for fault in _COLD
        if fault.name.startswith(_HIT_THE_HANDSHAKE)
    ),
)
"""Those that need no place."""


def placed(pieces: Sequence[Piece]) -> tuple[NetworkFault, ...]:
    """Return limit_data at every place of a measured call that tells something of the queue."""
    found: dict[tuple[str, int], NetworkFault] = {}
    for number, piece in enumerate(pieces, 1):
        command, reply = piece.command, piece.reply
        for stream, place, limit in (
            (UPSTREAM, "before", command.start),
            (UPSTREAM, "middle", (command.start + command.stop) // 2),
            (UPSTREAM, "last-byte", command.stop - 1),
            (UPSTREAM, "after", command.stop),
            (DOWNSTREAM, "reply-first-byte", reply.start + 1),
            (DOWNSTREAM, "reply-last-byte", reply.stop - 1),
        ):
            toxic = ("limit_data", stream, {"bytes": limit})
            name = f"limit-data:{number}:{piece.name}:{place}"
            found.setdefault((stream, limit), NetworkFault(name, Shows.CUT, (toxic,)))
    return tuple(found.values())
