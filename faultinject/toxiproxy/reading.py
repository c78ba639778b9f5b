"""From a request's JSON to proxies and toxics, with the defaults of Toxiproxy 2.12. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from midpipe.faultinject.toxiproxy.api_state import (
    DIRECTIONS,
    DOWNSTREAM,
    Attribute,
    ProxySpec,
    ToxicSpec,
)
from midpipe.faultinject.toxiproxy.exchange import ApiError
from midpipe.faultinject.toxiproxy.toxics import TOXICS
from midpipe.faultinject.toxiproxy.wire_toxics import WIRE_TOXICS, invalid_reason

_Body = TypeVar("_Body")
_INT64 = range(-(2**63), 2**63)


class _ProxyBody(msgspec.Struct, frozen=True):
    name: str | None = None
    listen: str | None = None
    upstream: str | None = None
    enabled: bool | None = None


class _ToxicBody(msgspec.Struct, frozen=True):
    name: str | None = None
    type: str | None = None
    stream: str | None = None
    toxicity: float | None = None
    attributes: dict[str, Any] | None = None


def read_proxy(body: bytes, default: ProxySpec) -> ProxySpec:
    """Return the proxy that a body describes; fields that it lacks are as in ``default``. Raises ApiError."""
    return _proxy(_decoded(body, _ProxyBody), default)


def read_new_proxy(body: bytes) -> ProxySpec:
    """Return a proxy to create. Raises ApiError."""
    proxy = read_proxy(body, ProxySpec("", "", "", enabled=True))
    _require_fields(proxy)
    return proxy


def read_proxies(body: bytes) -> tuple[ProxySpec, ...]:
    """Return the proxies to populate with. Raises ApiError."""
    default = ProxySpec("", "", "", enabled=True)
    proxies = [_proxy(item, default) for item in _decoded(body, list[_ProxyBody]) or ()]
    for number, proxy in enumerate(proxies, 1):
        _require_fields(proxy, f" at proxy {number}")
    return tuple(proxies)


def read_new_toxic(body: bytes) -> ToxicSpec:
    """Return a toxic to add, its attributes complete. Raises ApiError."""
    given = _decoded(body, _ToxicBody) or _ToxicBody()
    kind, stream = given.type or "", given.stream or DOWNSTREAM
    if stream.lower() not in DIRECTIONS:
        raise ApiError("stream was invalid, can be either upstream or downstream")
    if kind not in TOXICS and kind not in WIRE_TOXICS:
        raise ApiError("invalid toxic type")
    toxic = ToxicSpec(given.name or f"{kind}_{stream}", kind, stream, attributes=_defaults(kind))
    return _changed(toxic, given)


def read_toxic_update(body: bytes, toxic: ToxicSpec) -> ToxicSpec:
    """Return a toxic with the attributes and the toxicity that a body gives; all else stays. Raises ApiError."""
    return _changed(toxic, _decoded(body, _ToxicBody) or _ToxicBody())


def _decoded(body: bytes, kind: type[_Body]) -> _Body | None:
    try:
        return msgspec.json.decode(body, type=kind | None)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ApiError(f"bad request body: {error}") from error
    except RecursionError as error:
        raise ApiError("bad request body: it is nested too deeply") from error


def _proxy(given: _ProxyBody | None, default: ProxySpec) -> ProxySpec:
    fields = {} if given is None else msgspec.structs.asdict(given)
    return replace(default, **{name: value for name, value in fields.items() if value is not None})


def _require_fields(proxy: ProxySpec, where: str = "") -> None:
    for name, text in (("name", proxy.name), ("upstream", proxy.upstream)):
        if not text:
            raise ApiError(f"missing required field: {name}{where}")


def _defaults(kind: str) -> Mapping[str, Attribute]:
    if kind in WIRE_TOXICS:
        return WIRE_TOXICS[kind].defaults
    return dict.fromkeys(TOXICS[kind].attributes, 0)


def _changed(toxic: ToxicSpec, given: _ToxicBody) -> ToxicSpec:
    attributes = dict(toxic.attributes)
    for name, value in (given.attributes or {}).items():
        if name in attributes and value is not None:
            attributes[name] = _attribute(name, value, attributes[name])
    if toxic.type in WIRE_TOXICS and (reason := invalid_reason(attributes)):
        raise ApiError(f"bad request body: {reason}")
    toxicity = toxic.toxicity if given.toxicity is None else given.toxicity
    return replace(toxic, attributes=attributes, toxicity=toxicity)


def _attribute(name: str, value: object, default: Attribute) -> Attribute:
    """Return an attribute's value, which has the type of its default."""
    if isinstance(default, str) and isinstance(value, str):
        return value
    if isinstance(default, int) and isinstance(value, int) and not isinstance(value, bool):
        if value in _INT64:
            return value
        raise ApiError(f"bad request body: attribute {name} is out of range")
    expected = "a string" if isinstance(default, str) else "an integer"
    raise ApiError(f"bad request body: attribute {name} must be {expected}")
