"""What a toxic is: attributes, and how one chunk, or the end of the stream, becomes a few timed steps.

A toxic is asked for each chunk that comes to it, in order, and answers with steps; the next chunk waits until they are
done. Pure: the time and the dice are given, and whoever asks carries the steps out. Knows no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

Attributes = Mapping[str, int]
Dice = Callable[[], float]
"""A number from 0 up to, but not including, 1."""

NEVER_S = float("inf")
MOST_BYTES = 32768
"""In one chunk, as the original reads them."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes under way, with the time (in seconds) at which they arrived, or would have without what delayed them."""

    data: bytes
    at_s: float


@dataclass(frozen=True, slots=True)
class Step:
    """After ``wait_s`` seconds: pass ``chunk`` on if there is one, and end the stream if ``ends``."""

    wait_s: float = 0.0
    chunk: Chunk | None = None
    ends: bool = False


@dataclass(slots=True)
class Memory:
    """What a toxic remembers of one connection and direction, over all changes of the chain: the bytes passed on."""

    passed: int = 0


class Situation(Protocol):
    """What a toxic may look at beside the chunk.

    Attributes:
        numbers: its attributes.
        memory: the one thing that it may change.
        clock_s: now.
    """

    numbers: Attributes
    memory: Memory
    clock_s: float
    rng: Dice


Take = Callable[["Chunk | None", Situation], tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class Toxic:
    """One kind of toxic.

    Args:
        go_name: what the original's errors call it.
        attributes: name to Go's type of it, in the order in which they are shown.
        take: steps for a chunk, or for the end of the stream (None).
        idle_ms: the attribute after whose time without any input the stream ends; 0 never does.
        room: chunks it lets wait before it.
        ends_when_removed: its removal closes the connection.
        resets: a connection opened while it is there ends by a reset.
        may_lose: it may lose bytes on purpose.
    """

    name: str
    go_name: str
    take: Take
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    idle_ms: str = ""
    room: int = 1
    ends_when_removed: bool = False
    resets: bool = False
    may_lose: bool = False


def passes(chunk: Chunk | None) -> tuple[Step, ...]:
    """Return the steps that pass a chunk, or the end of the stream, on at once."""
    return (Step(ends=True),) if chunk is None else (Step(chunk=chunk),)
