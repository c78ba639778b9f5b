"""What a toxic is: attributes, and a function from a chunk, or the end of the stream, to a few timed steps.

The chain calls the function for each chunk in order, and carries out the steps before it takes the next chunk. Pure:
time and random numbers are arguments. Knows no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

Attributes = Mapping[str, int]
Rng = Callable[[], float]
"""Returns a number from 0 up to, but not including, 1."""

NEVER_S = float("inf")
MOST_BYTES = 32768
"""In one chunk, as Toxiproxy reads them."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes under way, with the time in seconds at which they arrived, as far as no toxic has delayed them since."""

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
    """A toxic's state on one connection and direction, kept over all changes of the chain: the bytes passed on."""

    passed: int = 0


class Situation(Protocol):
    """What a toxic's function may use besides the chunk.

    Attributes:
        numbers: the toxic's attributes.
        memory: the state that the function may change.
        clock_s: the current time in seconds.
        rng: returns random numbers.
    """

    numbers: Attributes
    memory: Memory
    clock_s: float
    rng: Rng


Take = Callable[["Chunk | None", Situation], tuple[Step, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """One kind of toxic.

    Args:
        take: returns the steps for a chunk, or for the end of the stream (None).
        attributes: their names, in the order in which they are shown.
        idle_ms: the name of the attribute that says after how many milliseconds without input the stream ends, where 0
            is never; empty for a toxic that does not end it so.
        room: the number of chunks that may wait before it.
        ends_when_removed: removing it closes the connection.
        resets: a connection opened while it is there ends by a reset.
    """

    name: str
    take: Take
    attributes: tuple[str, ...] = ()
    idle_ms: str = ""
    room: int = 1
    ends_when_removed: bool = False
    resets: bool = False


def passes(chunk: Chunk | None) -> tuple[Step, ...]:
    """Return the steps that pass on a chunk, or the end of the stream, at once."""
    return (Step(ends=True),) if chunk is None else (Step(chunk=chunk),)
