"""The values of RESP2 and RESP3: commands, replies, and their content.

Specification: https://redis.io/docs/latest/develop/reference/protocol-spec/. No server sends the streamed types of
the RESP3 proposal (``$?``); the readers reject them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, Union


class ProtocolError(ValueError):
    """The received bytes are not RESP.

    Args:
        message: what is wrong.
        offset: the position of the error, in bytes from the beginning of the stream.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (at byte {offset})")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error reply; its ``code`` is the first word of the message."""

    message: str

    @property
    def code(self) -> str:
        return self.message.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A RESP3 verbatim string with its three-letter format."""

    format: str
    text: bytes


@dataclass(frozen=True, slots=True)
class MapReply:
    """A RESP3 map, in the server's order. Keys may be of any type, so it is not a dict."""

    pairs: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True, slots=True)
class SetReply:
    """A RESP3 set, in the server's order."""

    items: tuple[Value, ...]


Value: TypeAlias = Union[
    None,
    bool,
    int,
    float,
    str,
    bytes,
    ErrorReply,
    Verbatim,
    MapReply,
    SetReply,
    "tuple[Value, ...]",
]


@dataclass(frozen=True, slots=True)
class Command:
    """A complete command: its name and arguments, and the bytes that were received."""

    args: tuple[bytes, ...]
    raw: bytes
    inline: bool = False

    @property
    def name(self) -> bytes:
        return self.args[0].upper()


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete reply or push.

    Args:
        value: the content; arrays and pushes as tuples, simple strings as str, bulk strings as bytes.
        raw: the bytes that were received, attributes included.
        kind: its first byte (``+``, ``$``, ``>``, …), after any attributes.
        attributes: the RESP3 attributes before it; None if there were none.
    """

    value: Value
    raw: bytes
    kind: bytes
    attributes: MapReply | None = None

    @property
    def is_push(self) -> bool:
        return self.kind == b">"

    @property
    def is_error(self) -> bool:
        return self.kind in (b"-", b"!")


def encode_command(*args: bytes | str | int | float) -> bytes:
    """Return a command as a RESP array of bulk strings; text is encoded as UTF-8."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        word = arg if isinstance(arg, bytes) else str(arg).encode()
        out.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(out)
