"""A server's reply as short text for a report, and what it says of its command's effect. Pure."""

from __future__ import annotations

from midpipe.faultinject.vocabulary import WireEvent
from midpipe.faultinject.wire.resp import ErrorReply, MapReply, Reply, SetReply, Value, Verbatim

_MOST_CHARACTERS = 200


def reply_text(reply: Reply | None) -> str:
    """Return a server's reply as one line of at most 200 characters; empty if there is none."""
    if reply is None:
        return ""
    return " ".join(shortened(_value_text(reply.value), _MOST_CHARACTERS).split())


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters; one that was cut ends in an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _value_text(value: Value) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, ErrorReply):
        return f"error {value.message}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_value_text(item) for item in value) + "]"
    if isinstance(value, MapReply):
        pairs = (f"{_value_text(key)}: {_value_text(item)}" for key, item in value.pairs)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, SetReply):
        return _value_text(value.items)
    return value.text.decode("utf-8", "replace") if isinstance(value, Verbatim) else str(value)


def reports_effect(reply: Reply | None) -> bool:
    """Whether a reply says that its command did something: it is no error, not nil, not zero and not empty."""
    return reply is not None and not isinstance(reply.value, ErrorReply) and bool(reply.value)


def confirms_disk(event: WireEvent, reply: Reply | None) -> bool:
    """Whether a reply says that the writes before its command are on the server's own disk."""
    if event.name != "WAITAOF" or reply is None or not isinstance(reply.value, tuple):
        return False
    return reply.value[:1] not in ((), (0,))
