"""midpipe's own toxic types: a fault of its catalogue, placed at a command over HTTP. Pure.

``{"type": "lost-reply", "attributes": {"command": "EXEC", "nth": 2}}`` loses the reply to the second EXEC of a
connection. The types are the faults that a proxy alone can cause. Their attributes:

- ``command``: a glob of command names (``INCR*``, as some drivers send INCRBY); empty matches every command that is not
  part of the handshake
- ``key``: a glob that one of the command's keys must match
- ``argument``: a glob that any word after the command's name must match, such as a script's digest or argument
- ``nth``: the first match that meets the fault, counted from 1 since the toxic was added
- ``scope``: whether matches are counted on each ``connection`` or over the whole ``proxy``
- ``times``: how often the fault happens in all; 0 is no limit

The JSON of such a toxic has the further fields ``fired``, how often the fault has happened, and ``last_hit``, the
command at which it last did. ``toxicity`` is the probability at each match.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from midpipe.faultinject.net.placement import PROXY_FAULTS, Placement
from midpipe.faultinject.toxiproxy.api_state import Attribute, ToxicSpec

CONNECTION, PROXY = "connection", "proxy"
_DEFAULTS: Mapping[str, Attribute] = MappingProxyType(
    {"command": "", "key": "", "argument": "", "nth": 1, "scope": CONNECTION, "times": 1}
)


@dataclass(frozen=True, slots=True)
class WireToxic:
    """A toxic type that is a fault of the catalogue.

    Args:
        fault: the fault's name.
        parameter: the attribute that is the fault's parameter; empty if it has none.
        default: the attribute's default; 0 leaves it to the fault.
    """

    fault: str
    parameter: str = ""
    default: int = 0

    @property
    def type(self) -> str:
        """The type in the API. Toxiproxy has a bandwidth of its own, so midpipe's gets a longer name."""
        return "command-bandwidth" if self.fault == "bandwidth" else self.fault

    @property
    def defaults(self) -> Mapping[str, Attribute]:
        """Every attribute, with its default."""
        parameter = {self.parameter: self.default} if self.parameter else {}
        return {**_DEFAULTS, **parameter}


_WITH_PARAMETER = (
    # Milliseconds for which connections are refused; 0 until the toxic is removed.
    WireToxic("refuse", "duration", 1000),
    # Further commands on the proxy after which it is delivered; 0 until its client has disconnected.
    WireToxic("late", "after"),
    WireToxic("slow", "delay", 2),
    WireToxic("slice", "size", 7),
    WireToxic("bandwidth", "rate", 256),
)
_BY_FAULT = {toxic.fault: toxic for toxic in _WITH_PARAMETER}
WIRE_TOXICS: Mapping[str, WireToxic] = MappingProxyType(
    {
        toxic.type: toxic
        for toxic in (_BY_FAULT.get(fault, WireToxic(fault)) for fault in PROXY_FAULTS)
    }
)


def placement_of(spec: ToxicSpec) -> Placement:
    """Return what a wire toxic asks for."""
    toxic = WIRE_TOXICS[spec.type]
    return Placement(
        fault=toxic.fault,
        parameter=spec.number(toxic.parameter) if toxic.parameter else None,
        command=spec.text("command"),
        key=spec.text("key"),
        argument=spec.text("argument"),
        nth=spec.number("nth"),
        per_connection=spec.text("scope") == CONNECTION,
        times=spec.number("times"),
        probability=spec.toxicity,
    )


def invalid_reason(attributes: Mapping[str, Attribute]) -> str:
    """Return why a wire toxic's attributes are invalid, as a clause; empty if they are valid."""
    if attributes["scope"] not in (CONNECTION, PROXY):
        return f"scope is {attributes['scope']!r}, and must be connection or proxy"
    for name, value in attributes.items():
        least = 1 if name == "nth" else 0
        if isinstance(value, int) and value < least:
            return f"{name} is {value}, and must be at least {least}"
    return ""
