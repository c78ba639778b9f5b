"""Incremental RESP2 and RESP3 parsers, sans I/O: bytes in, complete commands and replies out, at any split.

Both readers keep the state of a partly received frame. So a bulk string of a hundred megabytes that arrives in small
pieces is copied once and never scanned again, and a reply nested a thousand levels deep needs no recursion. Each
frame carries its raw bytes, because a proxy must forward exactly what it received. Small frames that arrived at once
take the fast path.

Malformed input raises ProtocolError with the offset of the error, in bytes from the beginning of the stream. A reader
that has raised must not be used again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from midpipe.faultinject.wire.fast_path import parse_command, parse_reply
from midpipe.faultinject.wire.inline import split_inline
from midpipe.faultinject.wire.resp import (
    Command,
    ErrorReply,
    MapReply,
    ProtocolError,
    Reply,
    SetReply,
    Value,
    Verbatim,
)

MAX_LINE_BYTES = 64 * 1024
MAX_ARGUMENTS = 1024 * 1024
MAX_BULK_BYTES = 512 * 1024 * 1024
MAX_ITEMS = 2**31
FAST_PATH_BYTES = 16 * 1024


class _Buffer:
    """The received bytes of an incomplete frame, and how far they have been parsed.

    Args:
        longest_line: in bytes; a longer line is a ProtocolError.
    """

    def __init__(self, longest_line: int) -> None:
        self.data = bytearray()
        self.position = 0
        self._longest_line = longest_line
        self._searched = 0
        self._passed = 0

    def offset(self, back: int = 0) -> int:
        """Return the reader's position in the stream, minus ``back``, in bytes."""
        return self._passed + self.position - back

    def line(self) -> bytes | None:
        """Return the next line without its CRLF; None if it is incomplete."""
        data = self.data
        end = data.find(b"\r\n", max(self.position, self._searched))
        if end < 0:
            self._searched = max(self.position, len(data) - 1)
            if len(data) - self.position > self._longest_line:
                raise ProtocolError("a line does not end", self.offset())
            return None
        found = bytes(data[self.position : end])
        self.position = end + 2
        return found

    def bulk(self, length: int) -> bytes | None:
        """Return ``length`` bytes that are followed by CRLF; None if they are incomplete."""
        end = self.position + length
        if len(self.data) < end + 2:
            return None
        if self.data[end : end + 2] != b"\r\n":
            raise ProtocolError(
                f"a bulk string of {length} bytes is not followed by CRLF", self.offset() + length
            )
        found = bytes(memoryview(self.data)[self.position : end])
        self.position = end + 2
        return found

    def skip_frame(self, size: int) -> None:
        """Remove the frame at the beginning of the buffer, which is ``size`` bytes long."""
        self.position = size
        self.discard()

    def take_frame(self) -> bytes:
        """Remove the frame that ends at the current position, and return its bytes."""
        raw = bytes(memoryview(self.data)[: self.position])
        self.discard()
        return raw

    def discard(self) -> None:
        """Remove the bytes before the current position."""
        del self.data[: self.position]
        self._passed += self.position
        self.position = self._searched = 0


class CommandReader:
    """Parses the client's side: RESP arrays of bulk strings, and inline commands."""

    def __init__(self) -> None:
        self._buffer = _Buffer(MAX_LINE_BYTES)
        self._args: list[bytes] = []
        self._missing = 0
        self._length: int | None = None

    def feed(self, data: bytes) -> None:
        """Add received bytes, any number of them."""
        self._buffer.data += data

    def next_command(self) -> Command | None:
        """Return the next complete command; None if more bytes are needed. Raises ProtocolError."""
        while not self._missing:
            buffer = self._buffer
            if not buffer.data:
                return None
            if len(buffer.data) <= FAST_PATH_BYTES:
                command = parse_command(bytes(buffer.data))
                if command is not None:
                    buffer.skip_frame(len(command.raw))
                    return command
            if buffer.data[0] != 0x2A:
                command = self._inline()
                if command is None or command.args:
                    return command
                continue
            header = buffer.line()
            if header is None:
                return None
            count = _integer(header[1:], buffer, len(header) + 1)
            if count > MAX_ARGUMENTS:
                raise ProtocolError(
                    f"a command of {count} arguments", buffer.offset(len(header) + 2)
                )
            if count <= 0:
                buffer.discard()
                continue
            self._missing = count
        return self._arguments()

    def _arguments(self) -> Command | None:
        buffer = self._buffer
        while self._missing:
            if self._length is None:
                header = buffer.line()
                if header is None:
                    return None
                if header[:1] != b"$":
                    raise ProtocolError(
                        f"an argument begins with {header[:1]!r}, not with '$'",
                        buffer.offset(len(header) + 2),
                    )
                self._length = _integer(header[1:], buffer, len(header) + 1)
                if not 0 <= self._length <= MAX_BULK_BYTES:
                    raise ProtocolError(f"an argument of {self._length} bytes", buffer.offset())
            argument = buffer.bulk(self._length)
            if argument is None:
                return None
            self._args.append(argument)
            self._length = None
            self._missing -= 1
        args, self._args = tuple(self._args), []
        return Command(args, buffer.take_frame())

    def _inline(self) -> Command | None:
        """Return an inline command; an empty one has no ``args``, and is skipped as the server skips it."""
        buffer = self._buffer
        end = buffer.data.find(b"\n")
        if end < 0:
            if len(buffer.data) > MAX_LINE_BYTES:
                raise ProtocolError("an inline command does not end", buffer.offset())
            return None
        args = split_inline(bytes(buffer.data[:end]).rstrip(b"\r"))
        if args is None:
            raise ProtocolError("an inline command has unbalanced quotes", buffer.offset())
        buffer.position = end + 1
        return Command(args, buffer.take_frame(), inline=True)


@dataclass(slots=True)
class _Open:
    """An aggregate whose items are incomplete."""

    kind: int
    missing: int
    items: list[Value]


class ReplyReader:
    """Parses the server's side: every type of RESP2 and RESP3."""

    def __init__(self) -> None:
        self._buffer = _Buffer(MAX_BULK_BYTES)
        self._stack: list[_Open] = []
        self._bulk: tuple[int, int] | None = None
        self._kind = b""
        self._attributes: MapReply | None = None

    def feed(self, data: bytes) -> None:
        """Add received bytes, any number of them."""
        self._buffer.data += data

    def take_rest(self) -> bytes:
        """Remove and return the bytes after the last complete reply."""
        rest = bytes(self._buffer.data)
        self._buffer.data.clear()
        return rest

    def next_reply(self) -> Reply | None:
        """Return the next complete reply or push; None if more bytes are needed. Raises ProtocolError."""
        buffer = self._buffer
        if not buffer.position and 0 < len(buffer.data) <= FAST_PATH_BYTES:
            reply = parse_reply(bytes(buffer.data))
            if reply is not None:
                buffer.skip_frame(len(reply.raw))
                return reply
        while True:
            scalar = self._scalar()
            if scalar is None:
                return None
            value = scalar[0]
            while True:
                if not self._stack:
                    return self._complete(value)
                innermost = self._stack[-1]
                innermost.items.append(value)
                innermost.missing -= 1
                if innermost.missing:
                    break
                self._stack.pop()
                value = _aggregate_value(innermost)
                if innermost.kind == 0x7C:
                    self._keep_attributes(value)
                    break

    def _keep_attributes(self, value: Value) -> None:
        """Keep attributes that precede a reply; those of one of its elements are dropped."""
        if not self._stack and isinstance(value, MapReply):
            self._attributes = value
            self._kind = b""

    def _complete(self, value: Value) -> Reply:
        reply = Reply(value, self._buffer.take_frame(), self._kind, self._attributes)
        self._kind, self._attributes = b"", None
        return reply

    def _scalar(self) -> tuple[Value] | None:
        """Return the next scalar in a 1-tuple, opening aggregates on the way; None if more bytes are needed."""
        buffer = self._buffer
        while True:
            if self._bulk is not None:
                kind, length = self._bulk
                data = buffer.bulk(length)
                if data is None:
                    return None
                self._bulk = None
                return (_bulk_value(kind, data, buffer),)
            line = buffer.line()
            if line is None:
                return None
            if not line:
                raise ProtocolError("a reply begins with an empty line", buffer.offset(2))
            kind, rest = line[0], line[1:]
            if not self._kind:
                self._kind = line[:1]
            if kind in _BULKS:
                length = _length(rest, buffer, len(line) + 1, MAX_BULK_BYTES, nullable=kind == 0x24)
                if length < 0:
                    return (None,)
                self._bulk = (kind, length)
            elif kind in _AGGREGATES:
                opened = self._open(kind, rest, len(line) + 1)
                if opened is not None:
                    return opened
            else:
                return (_line_value(kind, rest, buffer, len(line) + 2),)

    def _open(self, kind: int, rest: bytes, back: int) -> tuple[Value] | None:
        """Open an aggregate; an empty or null one is returned at once, in a 1-tuple."""
        buffer = self._buffer
        count = _length(rest, buffer, back, MAX_ITEMS, nullable=kind == 0x2A)
        if kind == 0x3E and self._stack:
            raise ProtocolError("a push inside another reply", buffer.offset(back + 1))
        if count < 0:
            return (None,)
        if kind in (0x25, 0x7C):
            count *= 2
        if count:
            self._stack.append(_Open(kind, count, []))
            return None
        empty = _aggregate_value(_Open(kind, 0, []))
        if kind == 0x7C:
            self._keep_attributes(empty)
            return None
        return (empty,)


_BULKS = frozenset(b"$!=")
_AGGREGATES = frozenset(b"*%~>|")
# By default CPython converts no longer ones.
_MOST_DIGITS = 4_000
_FLOATS: Mapping[bytes, str] = {b"inf": "inf", b"-inf": "-inf", b"nan": "nan"}


def _aggregate_value(aggregate: _Open) -> Value:
    items = aggregate.items
    if aggregate.kind in (0x25, 0x7C):
        return MapReply(tuple(zip(items[::2], items[1::2], strict=True)))
    if aggregate.kind == 0x7E:
        return SetReply(tuple(items))
    return tuple(items)


def _bulk_value(kind: int, data: bytes, buffer: _Buffer) -> Value:
    if kind == 0x24:
        return data
    if kind == 0x21:
        return ErrorReply(data.decode("utf-8", "replace"))
    if data[3:4] != b":":
        raise ProtocolError("a verbatim string without a format", buffer.offset(len(data) + 2))
    return Verbatim(data[:3].decode("ascii", "replace"), data[4:])


def _line_value(kind: int, rest: bytes, buffer: _Buffer, back: int) -> Value:
    if kind == 0x2B:
        return rest.decode("utf-8", "replace")
    if kind == 0x2D:
        return ErrorReply(rest.decode("utf-8", "replace"))
    if kind in (0x3A, 0x28):
        return _integer(rest, buffer, back - 1)
    if kind == 0x5F and not rest:
        return None
    if kind == 0x23 and rest in (b"t", b"f"):
        return rest == b"t"
    if kind == 0x2C:
        return _float(rest, buffer, back - 1)
    raise ProtocolError(
        f"{bytes([kind])!r} followed by {rest[:20]!r} is not a reply", buffer.offset(back)
    )


def _integer(digits: bytes, buffer: _Buffer, back: int) -> int:
    unsigned = digits[1:] if digits[:1] in (b"-", b"+") else digits
    if not unsigned.isdigit() or len(unsigned) > _MOST_DIGITS:
        raise ProtocolError(f"{digits[:20]!r} is not an integer", buffer.offset(back))
    return int(digits)


def _float(text: bytes, buffer: _Buffer, back: int) -> float:
    if text in _FLOATS:
        return float(_FLOATS[text])
    if not text or text.strip(b"0123456789+-.eE"):
        raise ProtocolError(f"{text[:20]!r} is not a number", buffer.offset(back))
    try:
        return float(text)
    except ValueError as error:
        raise ProtocolError(f"{text[:20]!r} is not a number", buffer.offset(back)) from error


def _length(digits: bytes, buffer: _Buffer, back: int, most: int, *, nullable: bool) -> int:
    length = _integer(digits, buffer, back)
    if length > most or length < (-1 if nullable else 0):
        raise ProtocolError(f"a length of {length}", buffer.offset(back))
    return length
