"""The words of the wire as frozen values: positions, wire events, fault references, points, decisions.

Every other part of midpipe speaks in these. A position survives reconnects and driver retries, because it
counts commands and never bytes, ports or connections. Nothing here knows Redis' protocol, a queue, a socket
or a clock.

Why a lost reply is UNKNOWN to the caller and not NO::

    A  RPUSH ai:queue:pending j1     -> sent
    S  runs it                       -> 1
    A  connection reset              -> the reply is gone
    A  raises ConnectionError        ... and j1 is in the queue
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Executed(StrEnum):
    """Whether the server ran a command. Read off the server's side of the proxy, never guessed."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: a unix socket's path, or a host and a port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where something happens: the n-th wire event of one client in a case.

    Args:
        client: the client's letter.
        ordinal: number of the client's wire event in this case, from 1, over all operations and attempts.
        inside: the k-th command inside a MULTI … EXEC block, from 1 (MULTI itself is 1); 0 is the event as a whole.
        setup: counts the commands that set a connection up (HELLO, AUTH, …) instead; they are numbered on their own.
    """

    client: str
    ordinal: int
    inside: int = 0
    setup: bool = False

    def __str__(self) -> str:
        phase = "s" if self.setup else ""
        inside = f".{self.inside}" if self.inside else ""
        return f"{self.client}{phase}{self.ordinal}{inside}"


@dataclass(frozen=True, slots=True)
class WireIndex:
    """The wire execution index: the same place, told by what the client was doing.

    Args:
        operation: ordinal of the client's operation, from 1.
        attempt: attempt of the caller at that operation, from 1.
        command: ordinal of the command within the attempt, from 1.
        name: the command's name, upper case.
        key_pattern: the family of its first key, variable parts as ``*``; empty if it has none.
    """

    operation: int
    attempt: int
    command: int
    name: str
    key_pattern: str

    @property
    def call(self) -> tuple[int, int]:
        """Which attempt at which operation the command belongs to."""
        return self.operation, self.attempt

    def __str__(self) -> str:
        words = f"{self.name} {self.key_pattern}".rstrip()
        return (
            f"operation {self.operation}, attempt {self.attempt}, command {self.command}: {words}"
        )


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One command on its way to the server.

    Args:
        args: the command's words; of a MULTI … EXEC block those of the command named by the position.
        block: inside of a MULTI … EXEC block, all its commands in order; empty otherwise.
        size: bytes on the wire.
        is_write: may change data, after the server's own command table.
        keys: keys it touches; None if that can't be told.
    """

    position: Position
    index: WireIndex
    args: tuple[bytes, ...]
    size: int
    is_write: bool
    keys: tuple[bytes, ...] | None
    block: tuple[tuple[bytes, ...], ...] = ()

    @property
    def name(self) -> str:
        return self.index.name


@dataclass(frozen=True, slots=True, order=True)
class FaultRef:
    """A fault by name, with its one optional whole-number parameter: ``late``, ``late=1``."""

    name: str
    parameter: int | None = None

    def __str__(self) -> str:
        return self.name if self.parameter is None else f"{self.name}={self.parameter}"


@dataclass(frozen=True, slots=True)
class Point:
    """A point of decision: every client is parked or done, and one of the parked events goes next.

    Args:
        choices: the parked events, by client letter; a position inside MULTI … EXEC comes as its only choice.
        last: the client that was let through last, if any.
    """

    choices: tuple[WireEvent, ...]
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Which event goes next, and what happens to it instead of passing (None: it passes)."""

    event: WireEvent
    fault: FaultRef | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A decision that was carried out, with what came of it.

    Args:
        executed: whether the server ran the command; of a block, whether it ran EXEC.
        reply: the server's reply as short text, if one was seen by the proxy.
        fired: the planned fault did happen.
    """

    event: WireEvent
    fault: FaultRef | None
    executed: Executed
    reply: str = ""
    fired: bool = True


@dataclass(frozen=True, slots=True)
class Observed:
    """A step, what the server held before and after it, and its whole reply.

    Args:
        before, after: of every key its type and its words, as text in which order means something.
        reply: as it came from the server; empty if none did.
    """

    step: Step
    before: Mapping[str, str]
    after: Mapping[str, str]
    reply: bytes


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, as a scheduler is told: the steps taken, in order, and whether they may be believed.

    Args:
        observed: returns the same steps with all that was to be seen of them, or nothing if some of it was not seen.
    """

    steps: tuple[Step, ...]
    valid: bool
    invalid_reason: str = ""
    violated: tuple[str, ...] = field(default=())
    observed: Callable[[], tuple[Observed, ...]] = tuple
