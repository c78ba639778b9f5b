"""From a request's body to proxies and toxics, with the defaults and the words of Toxiproxy 2.12."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from midpipe.faultinject.toxiproxy.api_state import (
    DIRECTIONS,
    DOWNSTREAM,
    Attribute,
    ProxySpec,
    ToxicSpec,
)
from midpipe.faultinject.toxiproxy.go_json import GoJsonError, decode, field, kind, typed
from midpipe.faultinject.toxiproxy.toxics import TOXICS
from midpipe.faultinject.toxiproxy.wire_toxics import WIRE_TOXICS, trouble_with

_PROXY_TYPE = "toxiproxy.Proxy"
_ITEM_TYPE = 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'


class ApiError(Exception):
    """A request that is refused: an HTTP status and a message."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Read:
    """A field's name as the body has it, its Go type, and what errors call it."""

    name: str
    go_type: str
    where: str


def read_proxy(body: bytes, default: ProxySpec) -> ProxySpec:
    """Return the proxy that a body describes; what it leaves out is as in ``default``. Raises ApiError."""
    try:
        value = decode(body)
        return _proxy(value, default, "Proxy.", "Proxy.", _PROXY_TYPE)
    except GoJsonError as error:
        raise _bad_body(error) from error


def read_new_proxy(body: bytes) -> ProxySpec:
    """Return a proxy to create. Raises ApiError."""
    proxy = read_proxy(body, ProxySpec("", "", "", enabled=True))
    for name, text in (("name", proxy.name), ("upstream", proxy.upstream)):
        if not text:
            raise ApiError(f"missing required field: {name}", 400)
    return proxy


def read_proxies(body: bytes) -> tuple[ProxySpec, ...]:
    """Return the proxies to populate with. Raises ApiError."""
    try:
        value = decode(body)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise GoJsonError(
                f"json: cannot unmarshal {kind(value)} into Go value of type []{_ITEM_TYPE}"
            )
        blank = ProxySpec("", "", "", enabled=True)
        proxies = tuple(_proxy(item, blank, ".Proxy.", ".", _ITEM_TYPE) for item in value)
    except GoJsonError as error:
        raise _bad_body(error) from error
    for number, proxy in enumerate(proxies, 1):
        for name, text in (("name", proxy.name), ("upstream", proxy.upstream)):
            if not text:
                raise ApiError(f"missing required field: {name} at proxy {number}", 400)
    return proxies


def _proxy(
    value: object, default: ProxySpec, within: str, enabled_within: str, go_type: str
) -> ProxySpec:
    if value is None:
        return default
    if not isinstance(value, dict):
        raise GoJsonError(f"json: cannot unmarshal {kind(value)} into Go value of type {go_type}")
    proxy = default
    for name in ("name", "listen", "upstream"):
        text = field(value, name)
        if text is not None:
            given = str(typed(text, "string", within + name))
            proxy = (
                replace(proxy, name=given)
                if name == "name"
                else replace(proxy, listen=given)
                if name == "listen"
                else replace(proxy, upstream=given)
            )
    enabled = field(value, "enabled")
    if enabled is not None:
        proxy = replace(proxy, enabled=bool(typed(enabled, "bool", enabled_within + "enabled")))
    logger = field(value, "Logger")
    if logger is not None and not isinstance(logger, dict):
        raise GoJsonError(
            f"json: cannot unmarshal {kind(logger)} into Go struct field {within}Logger of type zerolog.Logger"
        )
    return proxy


def read_new_toxic(body: bytes) -> ToxicSpec:
    """Return a toxic to add, its attributes complete. Raises ApiError."""
    try:
        value = decode(body)
        spec = _toxic_head(value)
    except GoJsonError as error:
        raise _bad_body(error) from error
    if spec.direction not in DIRECTIONS:
        raise ApiError("stream was invalid, can be either upstream or downstream", 400)
    if spec.type not in TOXICS and spec.type not in WIRE_TOXICS:
        raise ApiError("invalid toxic type", 400)
    return replace(spec, name=spec.name or f"{spec.type}_{spec.stream}")


def _toxic_head(value: object) -> ToxicSpec:
    if value is not None and not isinstance(value, dict):
        raise GoJsonError(
            f"json: cannot unmarshal {kind(value)} into Go value of type toxics.ToxicWrapper"
        )
    given = value if isinstance(value, dict) else {}
    attributes = field(given, "attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise GoJsonError(
            f"json: cannot unmarshal {kind(attributes)} into Go struct field ToxicWrapper.attributes "
            "of type toxics.NoopToxic"
        )
    head: dict[str, str | bool | int | float] = {"name": "", "type": "", "stream": DOWNSTREAM}
    head["toxicity"] = 1.0
    for name in head:
        found = field(given, name)
        if found is not None:
            go_type = "float32" if name == "toxicity" else "string"
            head[name] = typed(found, go_type, f"ToxicWrapper.{name}")
    return ToxicSpec(
        str(head["name"]), str(head["type"]), str(head["stream"]), float(head["toxicity"])
    )


def with_attributes(spec: ToxicSpec, body: bytes) -> ToxicSpec:
    """Return the toxic with the attributes that a body gives, those it leaves out as they are. Raises ApiError."""
    try:
        value = decode(body)
        given = field(value, "attributes") if isinstance(value, dict) else None
        if given is not None and not isinstance(given, dict):
            raise GoJsonError(
                f"json: cannot unmarshal {kind(given)} into Go struct field .attributes "
                f"of type toxics.{_go_name(spec.type)}"
            )
        attributes = dict(spec.attributes) or dict(_defaults(spec.type))
        for name, old in attributes.items():
            found = field(given, name) if isinstance(given, dict) else None
            if found is not None:
                where = f"{_go_name(spec.type)}.attributes.{name}"
                new = typed(found, _go_type(spec.type, name, old), where)
                attributes[name] = new if isinstance(new, str) else int(new)
    except GoJsonError as error:
        raise _bad_body(error) from error
    invalid_reason = trouble_with(attributes) if spec.type in WIRE_TOXICS else ""
    if invalid_reason:
        raise ApiError(f"bad request body: {invalid_reason}", 400)
    return replace(spec, attributes=attributes)


def updated_toxic(spec: ToxicSpec, body: bytes) -> ToxicSpec:
    """Return the toxic with the attributes and the toxicity that a body gives; all else stays. Raises ApiError."""
    changed = with_attributes(spec, body)
    try:
        value = decode(body)
        found = field(value, "toxicity") if isinstance(value, dict) else None
        if found is None:
            return changed
        return replace(changed, toxicity=float(typed(found, "float32", ".toxicity")))
    except GoJsonError as error:
        raise _bad_body(error) from error


def _defaults(toxic_type: str) -> Mapping[str, Attribute]:
    if toxic_type in WIRE_TOXICS:
        return WIRE_TOXICS[toxic_type].defaults
    return dict.fromkeys(TOXICS[toxic_type].attributes, 0)


def _go_name(toxic_type: str) -> str:
    return "WireToxic" if toxic_type in WIRE_TOXICS else TOXICS[toxic_type].go_name


def _go_type(toxic_type: str, name: str, default: Attribute) -> str:
    if toxic_type in WIRE_TOXICS:
        return "string" if isinstance(default, str) else "int64"
    return TOXICS[toxic_type].attributes[name]


def _bad_body(error: GoJsonError) -> ApiError:
    return ApiError(f"bad request body: {error}", 400)
