"""The state behind the API, as frozen values: proxies, and the toxics of each in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

UPSTREAM, DOWNSTREAM = "upstream", "downstream"
DIRECTIONS = (UPSTREAM, DOWNSTREAM)

Attribute = int | str
_NONE: Mapping[str, Attribute] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ToxicSpec:
    """One toxic on a proxy.

    Args:
        stream: as the request had it; ``direction`` is the same in lower case.
        toxicity: the probability that it acts on a connection. Values above 1 are accepted, as in Toxiproxy.
        attributes: by name, in the order in which they are shown.
    """

    name: str
    type: str
    stream: str = DOWNSTREAM
    toxicity: float = 1.0
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: _NONE)

    @property
    def direction(self) -> str:
        return self.stream.lower()

    @property
    def numbers(self) -> Mapping[str, int]:
        """The attributes that are integers."""
        return {name: value for name, value in self.attributes.items() if isinstance(value, int)}

    def number(self, name: str) -> int:
        """Return an integer attribute; 0 if there is none."""
        value = self.attributes.get(name, 0)
        return value if isinstance(value, int) else 0

    def text(self, name: str) -> str:
        """Return a text attribute; empty if there is none."""
        value = self.attributes.get(name, "")
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """One proxy: where it listens, where it leads to, and its toxics."""

    name: str
    listen: str
    upstream: str
    enabled: bool = False
    toxics: tuple[ToxicSpec, ...] = ()

    def toxic(self, name: str) -> ToxicSpec | None:
        """Return the toxic of a name; None if there is none."""
        return next((toxic for toxic in self.toxics if toxic.name == name), None)

    def chain(self, direction: str) -> tuple[ToxicSpec, ...]:
        """Return the toxics of one direction, in order."""
        return tuple(toxic for toxic in self.toxics if toxic.direction == direction)

    def with_toxic(self, changed: ToxicSpec) -> ProxySpec:
        """Return the proxy with a toxic that replaces the one of its name, or is appended."""
        if self.toxic(changed.name) is None:
            return replace(self, toxics=(*self.toxics, changed))
        toxics = tuple(changed if toxic.name == changed.name else toxic for toxic in self.toxics)
        return replace(self, toxics=toxics)

    def without_toxic(self, name: str) -> ProxySpec:
        """Return the proxy without a toxic."""
        return replace(self, toxics=tuple(toxic for toxic in self.toxics if toxic.name != name))


@dataclass(frozen=True, slots=True)
class ApiState:
    """All proxies, by name."""

    proxies: Mapping[str, ProxySpec] = field(default_factory=lambda: MappingProxyType({}))

    def with_proxy(self, proxy: ProxySpec) -> ApiState:
        """Return the state with a proxy added or replaced."""
        return ApiState(MappingProxyType({**self.proxies, proxy.name: proxy}))

    def without_proxy(self, name: str) -> ApiState:
        """Return the state without a proxy."""
        kept = {known: proxy for known, proxy in self.proxies.items() if known != name}
        return ApiState(MappingProxyType(kept))
