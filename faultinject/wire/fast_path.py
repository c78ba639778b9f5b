"""Commands and replies that have come whole and are simple, as nearly all are: read at one glance, not word by word.

What is not understood here is None, and left to the readers: what has not come whole, what holds the end of a line in
a word, rare types, mistakes. So nothing is decided here that they would decide otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.faultinject.wire.resp import Command, MapReply, Reply, Value

_COUNT_BYTES = 8
_AGGREGATE_BYTES = 1024
_DEEPEST = 4


def whole_command(data: bytes) -> Command | None:
    """Return the command that the bytes begin with."""
    end = data.find(b"\r\n", 0, _COUNT_BYTES)
    if end < 0 or not data.startswith(b"*") or not data[1:end].isdigit():
        return None
    count = int(data[1:end])
    *lines, rest = data.split(b"\r\n", 2 * count + 1)
    words = lines[2::2]
    if not count or len(words) < count or lines[1::2] != [b"$%d" % len(word) for word in words]:
        return None
    return Command(tuple(words), data[: len(data) - len(rest)])


def whole_reply(data: bytes) -> Reply | None:
    """Return the reply that the bytes begin with."""
    kind = data[:1]
    line, end, rest = data.partition(b"\r\n")
    if not end:
        return None
    size = len(line) + 2
    if kind == b"+":
        return Reply(line[1:].decode("utf-8", "replace"), data[:size], kind)
    digits = line[1:]
    if not digits.isdigit() or len(digits) > _COUNT_BYTES:
        return None
    number = int(digits)
    if kind == b":":
        return Reply(number, data[:size], kind)
    if kind == b"$" and rest[number : number + 2] == b"\r\n":
        return Reply(rest[:number], data[: size + number + 2], kind)
    if kind in (b"*", b"%") and len(data) <= _AGGREGATE_BYTES:
        lines = data.split(b"\r\n")
        read = _read(lines, 0, _DEEPEST)
        if read is not None:
            value, following = read
            return Reply(value, data[: sum(map(len, lines[:following])) + 2 * following], kind)
    return None


def _read(lines: Sequence[bytes], at: int, depth: int) -> tuple[Value, int] | None:
    """Return the value that begins in a line, and which line follows it. Of the last line, the end has not come."""
    if at >= len(lines) - 1:
        return None
    kind, digits = lines[at][:1], lines[at][1:]
    if kind == b"+":
        return digits.decode("utf-8", "replace"), at + 1
    if not digits.isdigit() or len(digits) > _COUNT_BYTES:
        return None
    number = int(digits)
    if kind == b":":
        return number, at + 1
    if kind == b"$":
        has_come = at + 1 < len(lines) - 1 and len(lines[at + 1]) == number
        return (lines[at + 1], at + 2) if has_come else None
    if kind not in (b"*", b"%") or not depth:
        return None
    return _read_aggregate(lines, at + 1, depth, number, is_map=kind == b"%")


def _read_aggregate(
    lines: Sequence[bytes], at: int, depth: int, count: int, *, is_map: bool
) -> tuple[Value, int] | None:
    items: list[Value] = []
    for _ in range(count * (2 if is_map else 1)):
        read = _read(lines, at, depth - 1)
        if read is None:
            return None
        item, at = read
        items.append(item)
    if is_map:
        return MapReply(tuple(zip(items[::2], items[1::2], strict=True))), at
    return tuple(items), at
