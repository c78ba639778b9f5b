"""The network faults, and the byte positions of those that count bytes. Data and pure functions.

A byte limit on a new connection mostly hits the handshake, and so says nothing about the queue. Therefore one run
without faults is measured first, command by command, and ``limit_data`` is placed after the handshake: inside each
command of the call, after it, and inside each reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from midpipe.faultinject.toxiproxy.api_state import DOWNSTREAM, UPSTREAM, Attribute

TIME_OUT_MS = 1000
"""The clients' socket time-out."""


class Shows(Enum):
    """How it is observed that a fault happened."""

    DELAY = "a call took longer than the fault alone"
    CUT = "a call raised, or its driver connected again"
    LATE_CLOSE = "the server's connection outlived its client"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFault:
    """Toxics that are added to a proxy for one call, and removed before the caller retries.

    Args:
        name: as in reports and options.
        shows: how it is observed that the fault happened.
        toxics: type, stream and attributes of each.
        is_down: the proxy is disabled instead.
        is_warm: the client has connected before, so that the fault hits the call and not the handshake.
        at_least_ms: with DELAY, how long the call takes at least.
    """

    name: str
    shows: Shows
    toxics: tuple[tuple[str, str, Mapping[str, Attribute]], ...] = ()
    is_down: bool = False
    is_warm: bool = False
    at_least_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command of the measured call and its reply, as byte ranges of their connection's two directions."""

    name: str
    command: range
    reply: range


@dataclass(slots=True)
class Recording:
    """The commands of one connection after its handshake, and the bytes so far in each direction."""

    exchanges: list[Exchange] = field(default_factory=list)
    up: int = 0
    down: int = 0


def _toxic(
    name: str, kind: str, shows: Shows, at_least_ms: float = 0.0, **attributes: Attribute
) -> tuple[NetworkFault, ...]:
    short = {UPSTREAM: "up", DOWNSTREAM: "down"}
    return tuple(
        NetworkFault(
            name=f"{name}-{short[stream]}",
            shows=shows,
            toxics=((kind, stream, attributes),),
            at_least_ms=at_least_ms,
        )
        for stream in (UPSTREAM, DOWNSTREAM)
    )


_COLD = (
    *_toxic("latency", "latency", Shows.DELAY, 60.0, latency=60),
    *_toxic("jitter", "latency", Shows.DELAY, 20.0, latency=40, jitter=20),
    *_toxic("latency-beyond-time-out", "latency", Shows.CUT, latency=2 * TIME_OUT_MS),
    # Kilobytes a second: the few hundred bytes of a call take a fraction of a second.
    *_toxic("bandwidth", "bandwidth", Shows.DELAY, 15.0, rate=2),
    *_toxic("slicer", "slicer", Shows.DELAY, 10.0, average_size=8, size_variation=4, delay=5000),
    *_toxic("timeout", "timeout", Shows.CUT, timeout=100),
    *_toxic("black-hole", "timeout", Shows.CUT, timeout=0),
    *_toxic("reset-peer", "reset_peer", Shows.CUT, timeout=0),
    *_toxic("slow-close", "slow_close", Shows.LATE_CLOSE, delay=1000)[:1],
    NetworkFault(name="down", shows=Shows.CUT, is_down=True),
)
# slow_close only on the way to the server, where the connection then outlives its client. No reset_peer among the warm
# ones, because it does not reset a connection that was opened before it.
_HIT_THE_HANDSHAKE = ("latency-beyond-time-out", "timeout", "black-hole", "down")
STANDING = (
    *_COLD,
    *(
        replace(fault, name=f"{fault.name}-warm", is_warm=True)
        for fault in _COLD
        if fault.name.startswith(_HIT_THE_HANDSHAKE)
    ),
)
"""The faults that need no byte position."""


def placed(exchanges: Sequence[Exchange]) -> tuple[NetworkFault, ...]:
    """Return limit_data at every byte position of a measured call that says something about the queue."""
    found: dict[tuple[str, int], NetworkFault] = {}
    for number, exchange in enumerate(exchanges, 1):
        command, reply = exchange.command, exchange.reply
        for stream, place, limit in (
            (UPSTREAM, "before", command.start),
            (UPSTREAM, "middle", (command.start + command.stop) // 2),
            (UPSTREAM, "last-byte", command.stop - 1),
            (UPSTREAM, "after", command.stop),
            (DOWNSTREAM, "reply-first-byte", reply.start + 1),
            (DOWNSTREAM, "reply-last-byte", reply.stop - 1),
        ):
            toxic = ("limit_data", stream, {"bytes": limit})
            name = f"limit-data:{number}:{exchange.name}:{place}"
            found.setdefault(
                (stream, limit), NetworkFault(name=name, shows=Shows.CUT, toxics=(toxic,))
            )
    return tuple(found.values())
