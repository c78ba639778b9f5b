"""The values of RESP2 and RESP3: commands, replies, and what they hold.

Source of the format: https://redis.io/docs/latest/develop/reference/protocol-spec/. The streamed types that
RESP3 once proposed (``$?``) are sent by no server and are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, Union


class ProtocolError(ValueError):
    """What was received is not RESP.

    Args:
        message: what is wrong.
        offset: where, in bytes since the stream began.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (at byte {offset})")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error that the server answered; its ``code`` is the first word."""

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

    def as_dict(self) -> dict[Value, Value]:
        """Return a dict. Raises TypeError if a key can't be hashed."""
        return dict(self.pairs)


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
    """A whole command: its words and the bytes they came in."""

    args: tuple[bytes, ...]
    raw: bytes
    inline: bool = False

    @property
    def name(self) -> bytes:
        return self.args[0].upper()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply or push.

    Args:
        value: what it says; arrays and pushes as tuples, simple strings as str, bulks as bytes.
        raw: the bytes it came in, attributes included.
        kind: its first byte (``+``, ``$``, ``>``, …), attributes left aside.
        attributes: what RESP3 attributes said before it; None if there were none.
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
    """Return a command as a RESP array of bulks; text is encoded as UTF-8."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        word = arg if isinstance(arg, bytes) else str(arg).encode()
        out.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(out)
