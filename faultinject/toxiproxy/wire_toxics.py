"""midpipe's own toxic types: a fault of its catalogue, placed at a command, asked for over HTTP.

``{"type": "lost-reply", "attributes": {"command": "EXEC", "nth": 2}}`` loses the reply to the second EXEC of a
connection. Only the faults that a proxy alone can make; their effects are the catalogue's. The attributes:

- ``command``: the command's name, or a glob of names, for drivers choose their own (``INCR*``: some send INCRBY for
  it); without it any command but those that set a connection up
- ``key``: a glob that one of the command's keys must match
- ``nth``: from which match on it happens, counted from 1 and from when the toxic was made
- ``scope``: whether matches are counted on each ``connection`` or over the whole ``proxy``
- ``times``: how often it happens in all; 0 is without end

Its JSON has one field more, ``fired``: how often it has happened. ``toxicity`` is drawn at each match. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.faults.fault import Fault
from midpipe.faultinject.toxiproxy.api_state import Attribute, ToxicSpec
from midpipe.faultinject.toxiproxy.toxics.toxic import Dice
from midpipe.faultinject.wire.conversation import Kind, ReceivedCommand

CONNECTION, PROXY = "connection", "proxy"
_DEFAULTS: Mapping[str, Attribute] = MappingProxyType(
    {"command": "", "key": "", "nth": 1, "scope": CONNECTION, "times": 1}
)
KeysOf = Callable[[tuple[bytes, ...]], tuple[bytes, ...] | None]


@dataclass(frozen=True, slots=True)
class WireToxic:
    """A toxic type that is a fault of the catalogue.

    Args:
        parameter: the attribute that is the fault's parameter; empty if it has none.
        default: of that attribute; 0 leaves it to the fault.
    """

    type: str
    fault: Fault
    parameter: str = ""
    default: int = 0

    @property
    def defaults(self) -> Mapping[str, Attribute]:
        """Every attribute, with what it is if nothing is said."""
        more = {self.parameter: self.default} if self.parameter else {}
        return {**_DEFAULTS, **more}


WIRE_TOXICS: Mapping[str, WireToxic] = MappingProxyType(
    {
        toxic.type: toxic
        for toxic in (
            WireToxic("cut-before", CATALOGUE["cut-before"]),
            WireToxic("torn-first", CATALOGUE["torn-first"]),
            WireToxic("torn-middle", CATALOGUE["torn-middle"]),
            WireToxic("torn-last", CATALOGUE["torn-last"]),
            WireToxic("lost-reply", CATALOGUE["lost-reply"]),
            WireToxic("lost-reply-fin", CATALOGUE["lost-reply-fin"]),
            WireToxic("stall", CATALOGUE["stall"]),
            WireToxic("black-hole", CATALOGUE["black-hole"]),
            # Milliseconds for which connections are refused.
            WireToxic("refuse", CATALOGUE["refuse"], "duration", 1000),
            # Commands on this proxy after which it is delivered; 0: once its client has gone.
            WireToxic("late", CATALOGUE["late"], "after"),
            WireToxic("slow", CATALOGUE["slow"], "delay", 2),
            WireToxic("slice", CATALOGUE["slice"], "size", 7),
            # The catalogue's "bandwidth"; Toxiproxy has that name for another thing.
            WireToxic("throttle", CATALOGUE["bandwidth"], "rate", 256),
        )
    }
)


def trouble_with(attributes: Mapping[str, Attribute]) -> str:
    """Return what is wrong with a wire toxic's attributes, as one clause; an empty string if nothing is."""
    if attributes["scope"] not in (CONNECTION, PROXY):
        return f"scope was {attributes['scope']!r}, can be either connection or proxy"
    for name, value in attributes.items():
        least = 1 if name == "nth" else 0
        if isinstance(value, int) and value < least:
            return f"{name} was {value}, must be at least {least}"
    return ""


def matches(spec: ToxicSpec, fault: Fault, heard: ReceivedCommand, keys_of: KeysOf) -> bool:
    """Whether a command is one of those that the toxic counts.

    Args:
        keys_of: a command's keys, None if they can't be told; then any of its words may be one.
    """
    name = heard.command.name.decode("ascii", "replace")
    wanted = spec.text("command").upper()
    if wanted:
        if not fnmatchcase(name, wanted):
            return False
    elif heard.kind is Kind.SETUP:
        return False
    if heard.kind is Kind.INSIDE and not fault.inside_block:
        return False
    pattern = spec.text("key")
    return not pattern or any(
        fnmatchcase(key.decode("utf-8", "backslashreplace"), pattern)
        for key in _keys(heard, keys_of)
    )


def _keys(heard: ReceivedCommand, keys_of: KeysOf) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for args in (heard.command.args, *(command.args for command in heard.block[1:])):
        keys = keys_of(args)
        found += args[1:] if keys is None else keys
    return tuple(found)


class Tally:
    """How often a wire toxic's command was seen, and how often it happened."""

    def __init__(self) -> None:
        self.fired = 0
        self._seen: dict[int, int] = {}

    def fires(self, spec: ToxicSpec, connection: int, rng: Dice) -> bool:
        """Count a match on a connection; return whether the toxic happens now."""
        scope = connection if spec.text("scope") == CONNECTION else 0
        self._seen[scope] = self._seen.get(scope, 0) + 1
        times = spec.number("times")
        if self._seen[scope] < spec.number("nth") or (times and self.fired >= times):
            return False
        if rng() >= spec.toxicity:
            return False
        self.fired += 1
        return True
