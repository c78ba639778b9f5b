"""The values that all of midpipe shares: positions, wire events, fault references, points of decision, steps.

A position counts commands, never bytes, ports or connections, so it stays the same across reconnects and driver
retries. A label says what is sent there instead, and stays the same too if a client polls more or less often, or if its
connections send in another order. Nothing here knows the Redis protocol, a queue, a socket or a clock.

Why a command whose reply is lost counts as UNKNOWN for its caller, and not as NO::

    A  RPUSH ai:queue:pending j1     -> sent
    S  executes it                   -> 1
    A  connection reset              -> the reply is lost
    A  raises ConnectionError        ... and j1 is in the queue
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum


class Executed(StrEnum):
    """Whether the server executed a command, as observed on the server's side of the proxy; never guessed."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


LOCK_KEY = "midpipe:lock"
"""Held by a run in an external database; no key of the subject's, so no snapshot shows it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: the path of a unix socket, or a host and a port.

    Args:
        source: the address of this machine to connect from; empty leaves the choice to the system.
    """

    path: str = ""
    host: str = ""
    port: int = 0
    source: str = ""

    @property
    def source_address(self) -> tuple[str, int] | None:
        """``source`` as a socket takes it."""
        return (self.source, 0) if self.source else None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where something happens: the n-th wire event of one client in a case.

    Args:
        client: the client's id, one letter.
        ordinal: number of the client's wire event in this case, from 1, over all operations and attempts.
        inside: the k-th command inside a MULTI … EXEC block, from 1 (MULTI itself is 1); 0 is the event as a whole.
        setup: ``ordinal`` counts handshake commands (HELLO, AUTH, …), which have a numbering of their own.
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
class Label:
    """Where something happens, by what is sent: the n-th command of a client's attempt with this name and key.

    Args:
        client: the client's id, one letter.
        command: the command's name, with its subcommand or with what identifies its script.
        key: its first key with variable parts as ``*``; empty if it has no key.
        occurrence: which of the attempt's commands with this name and key, from 1, over all of the client's
            connections. Polls that find nothing do not count, so several in a row have the same label.
        operation: number of the client's operation, from 1.
        attempt: number of the caller's attempt at that operation, from 1.
    """

    client: str
    command: str
    key: str = ""
    _: KW_ONLY
    occurrence: int = 1
    operation: int = 1
    attempt: int = 1

    def __str__(self) -> str:
        attempt = f"/{self.attempt}" if self.attempt > 1 else ""
        call = f"/{self.operation}{attempt}" if self.operation > 1 or attempt else ""
        key = f":{self.key}" if self.key else ""
        return f"{self.client}{call}:{self.command}{key}#{self.occurrence}"


Place = Position | Label
"""Where a step of a schedule happens: by number, or by what is sent."""


@dataclass(frozen=True, slots=True)
class WireIndex:
    """Where a command stands in its client's program: the operation, the attempt, and the number within the attempt.

    Args:
        operation: number of the client's operation, from 1.
        attempt: number of the caller's attempt at that operation, from 1.
        command: number of the command within the attempt, from 1.
        name: the command's name, upper case.
        key_pattern: its first key with variable parts as ``*``; empty if it has no key.
    """

    operation: int
    attempt: int
    command: int
    name: str
    key_pattern: str

    @property
    def call(self) -> tuple[int, int]:
        """The operation and the attempt that the command belongs to."""
        return self.operation, self.attempt

    @property
    def label(self) -> str:
        """The command's name and the pattern of its first key."""
        return f"{self.name} {self.key_pattern}".rstrip()

    def __str__(self) -> str:
        return f"operation {self.operation}, attempt {self.attempt}, command {self.command}: {self.label}"


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One command on its way to the server.

    Args:
        args: the command's name and arguments; of a MULTI … EXEC block, those of the command at the position.
        size: bytes on the wire.
        is_write: whether it may change data, according to the server's command table.
        keys: the keys that it touches; None if they are unknown.
        block: of a MULTI … EXEC block, all its commands in order; empty otherwise.
        label: the position by what is sent; None where nothing counts the client's commands so.
    """

    position: Position
    index: WireIndex
    _: KW_ONLY
    args: tuple[bytes, ...]
    size: int
    is_write: bool
    keys: tuple[bytes, ...] | None
    block: tuple[tuple[bytes, ...], ...] = ()
    label: Label | None = None

    @property
    def name(self) -> str:
        return self.index.name

    def is_at(self, place: Place) -> bool:
        """Whether the event is at this position, or has this label."""
        return place in (self.position, self.label)


@dataclass(frozen=True, slots=True, order=True)
class FaultRef:
    """A fault by name, with its optional integer parameter: ``late``, ``late=1``."""

    name: str
    parameter: int | None = None

    def __str__(self) -> str:
        return self.name if self.parameter is None else f"{self.name}={self.parameter}"


@dataclass(frozen=True, slots=True)
class Point:
    """A point of decision: every client is parked or done, and the scheduler chooses the event that goes next.

    Args:
        choices: the parked events, ordered by client id. A command inside MULTI … EXEC is always the only choice.
        last: the client whose event went last; None at the first point.
    """

    choices: tuple[WireEvent, ...]
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The event that goes next, and the fault placed at it; without a fault it passes."""

    event: WireEvent
    fault: FaultRef | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A decision that was carried out, with its result.

    Args:
        executed: whether the server executed the command; of a block, whether it executed EXEC.
        reply: the server's reply as short text; empty if the proxy received none.
        fired: whether the planned fault happened.
    """

    event: WireEvent
    fault: FaultRef | None
    executed: Executed
    reply: str = ""
    fired: bool = True


@dataclass(frozen=True, slots=True)
class Observed:
    """A step with the server's data before and after it, and the whole reply.

    Args:
        before, after: by key, its type and content as text; the order of elements is part of the text.
        reply: the server's bytes; empty if no reply arrived.
    """

    step: Step
    before: Mapping[str, str]
    after: Mapping[str, str]
    reply: bytes


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, as reported to its scheduler.

    Args:
        steps: the steps taken, in order.
        valid: whether the run counts.
        invalid_reason: why it does not count; empty if it does.
        violated: ids of the invariants that did not hold.
        observed: returns the steps with data and replies, or an empty tuple if any of these was not recorded.
    """

    steps: tuple[Step, ...]
    _: KW_ONLY
    valid: bool
    invalid_reason: str = ""
    violated: tuple[str, ...] = field(default=())
    observed: Callable[[], tuple[Observed, ...]] = tuple
