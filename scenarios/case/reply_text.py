"""What went over the wire, as short text for people. Pure."""

from __future__ import annotations

from midpipe.faultinject.wire.resp import ErrorReply, MapReply, Reply, SetReply, Value, Verbatim


def shown_reply(reply: Reply | None) -> str:
    """Return a server's reply as short text for people."""
    return "" if reply is None else " ".join(_shown_value(reply.value)[:200].split())


def _shown_value(value: Value) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, ErrorReply):
        return f"error {value.message}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown_value(item) for item in value) + "]"
    if isinstance(value, MapReply):
        pairs = (f"{_shown_value(key)}: {_shown_value(item)}" for key, item in value.pairs)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, SetReply):
        return _shown_value(value.items)
    return value.text.decode("utf-8", "replace") if isinstance(value, Verbatim) else str(value)


def says_something(reply: Reply | None) -> bool:
    """Whether a reply says that its command has done something: it is no error, no nil, and neither zero nor empty."""
    return reply is not None and not isinstance(reply.value, ErrorReply) and bool(reply.value)
