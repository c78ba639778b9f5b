"""Which commands meet a fault, where no schedule says so: by name, key and number. No sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.faults.effects import WireEffects
from midpipe.faultinject.faults.fault import Fault
from midpipe.faultinject.wire.received import Kind, ReceivedCommand

PROXY_FAULTS = (
    "cut-before",
    "torn-first",
    "torn-middle",
    "torn-last",
    "lost-reply",
    "lost-reply-fin",
    "stall",
    "black-hole",
    "refuse",
    "late",
    "slow",
    "slice",
    "bandwidth",
)
"""The faults that a proxy alone can cause, in the order in which they are listed to users."""
_REFUSED_FOR_MS = 1000
_SHOWN_WORDS, _SHOWN_LENGTH = 5, 40
Rng = Callable[[], float]
"""Returns a number from 0 up to, but not including, 1."""
KeysOf = Callable[[tuple[bytes, ...]], tuple[bytes, ...] | None]
"""Returns the keys of a command's words; None if they are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A fault, and the commands at which it happens.

    Args:
        fault: the name of one of PROXY_FAULTS.
        parameter: as in the catalogue. ``late``: the further commands on the proxy after which the command is
            delivered; ``refuse``: the milliseconds for which connections are refused, 0 until the placement is removed.
            None takes the default: 1000 ms for ``refuse``, and for ``late`` until the client has disconnected.
        command: a glob of command names; empty matches every command outside the handshake.
        key: a glob that one of the command's keys must match; empty matches every command.
        argument: the same for any of its words after the name, as of a script that is called with no keys.
        nth: the first matching command that meets the fault, from 1.
        per_connection: count matching commands on each connection, instead of over the whole proxy.
        times: how often the fault happens in all; 0 is no limit.
        probability: of the fault, at each match from the n-th on.
    """

    fault: str
    parameter: int | None = None
    command: str = ""
    key: str = ""
    argument: str = ""
    nth: int = 1
    per_connection: bool = False
    times: int = 1
    probability: float = 1.0

    def matches(self, received: ReceivedCommand, keys_of: KeysOf) -> bool:
        """Whether a command is one that the placement counts."""
        if self.command:
            name = received.command.name.decode("ascii", "replace")
            if not fnmatchcase(name, self.command.upper()):
                return False
        elif received.kind is Kind.SETUP:
            return False
        if received.kind is Kind.INSIDE and not self._fault.inside_block:
            return False
        return _any_matches(_keys(received, keys_of), self.key) and _any_matches(
            _words(received), self.argument
        )

    def effects(self, size: int) -> WireEffects:
        """Return the fault's effects on a command of so many bytes."""
        return self._fault.effects(size, self.parameter or None).wire

    @property
    def refused_for_s(self) -> float:
        """How long ``refuse`` refuses connections; 0 is until the placement is removed."""
        ms = _REFUSED_FOR_MS if self.parameter is None else self.parameter
        return ms / 1000

    @property
    def _fault(self) -> Fault:
        return CATALOGUE[self.fault]


def shown(received: ReceivedCommand) -> str:
    """Return a command in short for a report: its name and first words, of a handshake the name alone."""
    args = received.command.args[: 1 if received.kind is Kind.SETUP else _SHOWN_WORDS]
    words = (word[:_SHOWN_LENGTH].decode("utf-8", "backslashreplace") for word in args)
    return " ".join(words)


def _any_matches(words: Iterable[bytes], pattern: str) -> bool:
    """Whether one of the words matches a glob; an empty one asks for nothing."""
    return not pattern or any(
        fnmatchcase(word.decode("utf-8", "backslashreplace"), pattern) for word in words
    )


def _words(received: ReceivedCommand) -> tuple[bytes, ...]:
    """Return the words of a command, or of a whole block, after the names."""
    block = (command.args for command in received.block[1:])
    return tuple(word for args in (received.command.args, *block) for word in args[1:])


def _keys(received: ReceivedCommand, keys_of: KeysOf) -> tuple[bytes, ...]:
    """Return the keys of a command, or of a whole block; every word of a command whose keys are not known."""
    found: list[bytes] = []
    for args in (received.command.args, *(command.args for command in received.block[1:])):
        keys = keys_of(args)
        found += args[1:] if keys is None else keys
    return tuple(found)


class Tally:
    """How many commands have matched one placement, how often its fault has happened, and at which command last."""

    def __init__(self) -> None:
        self.fired = 0
        self.last_hit = ""
        self._matched: dict[int, int] = {}

    def fires(self, placement: Placement, connection: int, rng: Rng) -> bool:
        """Count a match on a connection; return whether the fault happens now."""
        scope = connection if placement.per_connection else 0
        self._matched[scope] = self._matched.get(scope, 0) + 1
        if self._matched[scope] < placement.nth:
            return False
        if placement.times and self.fired >= placement.times:
            return False
        if rng() >= placement.probability:
            return False
        self.fired += 1
        return True
