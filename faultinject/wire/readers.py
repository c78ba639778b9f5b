"""RESP2 and RESP3, sans I/O: bytes in, whole commands and whole replies out, at any split of the bytes.

Both readers keep what they have understood so far, so that a bulk of a hundred megabytes that comes in small
pieces is copied once and never scanned again, and a reply nested a thousand levels deep needs no recursion.
Each frame carries its raw bytes, because whoever stands in the middle must pass on exactly what came.

Malformed input raises ProtocolError with the offset, in bytes since the stream began, of what is wrong. A
reader that has raised is of no further use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from midpipe.faultinject.wire.fast_path import whole_command, whole_reply
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
_SMALL_BYTES = 16 * 1024


class _Buffer:
    """Received bytes that belong to the frame under way, and how far they have been understood."""

    def __init__(self, longest_line: int) -> None:
        self.data = bytearray()
        self.position = 0
        self._longest_line = longest_line
        self._searched = 0
        self._passed = 0

    def offset(self, back: int = 0) -> int:
        """Return where the reader stands in the stream, in bytes."""
        return self._passed + self.position - back

    def line(self) -> bytes | None:
        """Return the next line without its CRLF, or None if it has not come whole yet."""
        data = self.data
        end = data.find(b"\r\n", max(self.position, self._searched))
        if end < 0:
            self._searched = max(self.position, len(data) - 1)
            if len(data) - self.position > self._longest_line:
                raise ProtocolError("a line has no end", self.offset())
            return None
        found = bytes(data[self.position : end])
        self.position = end + 2
        return found

    def bulk(self, length: int) -> bytes | None:
        """Return ``length`` bytes that are followed by CRLF, or None if they have not come whole yet."""
        end = self.position + length
        if len(self.data) < end + 2:
            return None
        if self.data[end : end + 2] != b"\r\n":
            raise ProtocolError(
                f"a bulk of {length} bytes is not followed by CRLF", self.offset() + length
            )
        found = bytes(memoryview(self.data)[self.position : end])
        self.position = end + 2
        return found

    def has_come_whole(self, size: int) -> None:
        """The frame that begins the buffer has been understood; it has so many bytes."""
        self.position = size
        self.forget()

    def take_frame(self) -> bytes:
        """Return the bytes of the frame that ends here, and forget them."""
        raw = bytes(memoryview(self.data)[: self.position])
        self.forget()
        return raw

    def forget(self) -> None:
        del self.data[: self.position]
        self._passed += self.position
        self.position = self._searched = 0


class CommandReader:
    """Reads a client's side: RESP arrays of bulks, and inline commands."""

    def __init__(self) -> None:
        self._buffer = _Buffer(MAX_LINE_BYTES)
        self._args: list[bytes] = []
        self._missing = 0
        self._length: int | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes, any number."""
        self._buffer.data += data

    def next_command(self) -> Command | None:
        """Return the next whole command, or None if more bytes are needed. Raises ProtocolError."""
        while not self._missing:
            buffer = self._buffer
            if not buffer.data:
                return None
            if len(buffer.data) <= _SMALL_BYTES:
                command = whole_command(bytes(buffer.data))
                if command is not None:
                    buffer.has_come_whole(len(command.raw))
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
                raise ProtocolError(f"a command of {count} words", buffer.offset(len(header) + 2))
            if count <= 0:
                buffer.forget()
                continue
            self._missing = count
        return self._words()

    def _words(self) -> Command | None:
        buffer = self._buffer
        while self._missing:
            if self._length is None:
                header = buffer.line()
                if header is None:
                    return None
                if header[:1] != b"$":
                    raise ProtocolError(
                        f"a word begins with {header[:1]!r}, not with '$'",
                        buffer.offset(len(header) + 2),
                    )
                self._length = _integer(header[1:], buffer, len(header) + 1)
                if not 0 <= self._length <= MAX_BULK_BYTES:
                    raise ProtocolError(f"a word of {self._length} bytes", buffer.offset())
            word = buffer.bulk(self._length)
            if word is None:
                return None
            self._args.append(word)
            self._length = None
            self._missing -= 1
        args, self._args = tuple(self._args), []
        return Command(args, buffer.take_frame())

    def _inline(self) -> Command | None:
        """Read a line as a person types it; without words it is skipped, as the server does."""
        buffer = self._buffer
        end = buffer.data.find(b"\n")
        if end < 0:
            if len(buffer.data) > MAX_LINE_BYTES:
                raise ProtocolError("an inline command has no end", buffer.offset())
            return None
        args = split_inline(bytes(buffer.data[:end]).rstrip(b"\r"))
        if args is None:
            raise ProtocolError("an inline command has unbalanced quotes", buffer.offset())
        buffer.position = end + 1
        return Command(args, buffer.take_frame(), inline=True)


@dataclass(slots=True)
class _Open:
    """An aggregate that is not whole yet."""

    kind: int
    missing: int
    items: list[Value]


class ReplyReader:
    """Reads a server's side: every type of RESP2 and RESP3."""

    def __init__(self) -> None:
        self._buffer = _Buffer(MAX_BULK_BYTES)
        self._stack: list[_Open] = []
        self._bulk: tuple[int, int] | None = None
        self._kind = b""
        self._attributes: MapReply | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes, any number."""
        self._buffer.data += data

    def next_reply(self) -> Reply | None:
        """Return the next whole reply or push, or None if more bytes are needed. Raises ProtocolError."""
        buffer = self._buffer
        if not buffer.position and 0 < len(buffer.data) <= _SMALL_BYTES:
            reply = whole_reply(bytes(buffer.data))
            if reply is not None:
                buffer.has_come_whole(len(reply.raw))
                return reply
        while True:
            scalar = self._scalar()
            if scalar is None:
                return None
            value = scalar[0]
            while True:
                if not self._stack:
                    return self._whole(value)
                innermost = self._stack[-1]
                innermost.items.append(value)
                innermost.missing -= 1
                if innermost.missing:
                    break
                self._stack.pop()
                value = _closed(innermost)
                if innermost.kind == 0x7C:
                    self._note(value)
                    break

    def _note(self, value: Value) -> None:
        """Keep attributes of the reply as a whole; those of an element say nothing about the reply."""
        if not self._stack and isinstance(value, MapReply):
            self._attributes = value
            self._kind = b""

    def _whole(self, value: Value) -> Reply:
        reply = Reply(value, self._buffer.take_frame(), self._kind, self._attributes)
        self._kind, self._attributes = b"", None
        return reply

    def _scalar(self) -> tuple[Value] | None:
        """Return the next value without parts, opening aggregates on the way; None if more bytes are needed."""
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
        """Open an aggregate; return its value at once if it has no parts."""
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
        empty = _closed(_Open(kind, 0, []))
        if kind == 0x7C:
            self._note(empty)
            return None
        return (empty,)


_BULKS = frozenset(b"$!=")
_AGGREGATES = frozenset(b"*%~>|")
# CPython reads no longer ones unless told to.
_MOST_DIGITS = 4_000
_FLOATS: Mapping[bytes, str] = {b"inf": "inf", b"-inf": "-inf", b"nan": "nan"}


def _closed(aggregate: _Open) -> Value:
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
        raise ProtocolError("a verbatim string without its format", buffer.offset(len(data) + 2))
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
        f"{bytes([kind])!r} followed by {rest[:20]!r} is no reply", buffer.offset(back)
    )


def _integer(digits: bytes, buffer: _Buffer, back: int) -> int:
    unsigned = digits[1:] if digits[:1] in (b"-", b"+") else digits
    if not unsigned.isdigit() or len(unsigned) > _MOST_DIGITS:
        raise ProtocolError(f"{digits[:20]!r} is not a whole number", buffer.offset(back))
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
