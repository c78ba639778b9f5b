"""Reads a stream and its consumer group page by page while jobs run. Asks through a function, so it knows no socket.

A worker still gets an entry that the group has not delivered, and one that was delivered and is not acknowledged (the
group's pending entries list). Any other entry up to the last delivered one was acknowledged: it is history, however
long the stream keeps it, and is not read.

The walk takes the last delivered id first, then everything after it, then the pending entries up to it. What is
delivered meanwhile was read as waiting, so no entry is missed, and none is read twice:

    1-0 2-0 3-0 | 4-0 5-0      2-0 is pending, 3-0 is the last delivered one: 4-0 and 5-0 are read, then 2-0
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from midpipe.faultinject.wire.resp import ErrorReply, Value
from midpipe.scenarios.audit.observation import Delivery, bytes_of, text_of

ENTRIES_PER_READ = 200
_FIRST = "0-0"
_Ask = Callable[[Sequence[Sequence[bytes | str | int | float]]], Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that a worker still gets.

    Args:
        id: of the entry.
        fields: names and values in turn; empty if it was deleted from the stream.
        delivery: the last one; None if it waits.
    """

    id: str
    fields: tuple[Value, ...]
    delivery: Delivery | None = None

    @property
    def times(self) -> float:
        """How often it was delivered."""
        return float(self.delivery.times) if self.delivery else 0.0

    def value_of(self, name: str) -> bytes | None:
        """Return the value of a field, None if there is none; the id if no field is named, or the entry was deleted."""
        if not name or (self.delivery and self.delivery.is_gone):
            return bytes_of(self.id)
        for key, value in zip(self.fields[::2], self.fields[1::2], strict=False):
            if isinstance(key, bytes) and text_of(key) == name and isinstance(value, bytes):
                return value
        return None


def stream_walk(ask: _Ask, key: bytes, group: str) -> Iterator[list[Entry] | None]:
    """Yield the entries that a worker of the group still gets, in pages; None, and no more, if the key is no stream.

    Args:
        ask: sends commands, and returns their answers with error replies as values.
    """
    described = ask([("XINFO", "GROUPS", key)])[0]
    if isinstance(described, ErrorReply) and not is_missing(described):
        yield None
        return
    delivered = _last_delivered(described, group)
    first = _following(delivered)
    while page := _entries(ask([("XRANGE", key, first, "+", "COUNT", ENTRIES_PER_READ)])[0]):
        yield page
        first = _following(page[-1].id)
        if len(page) < ENTRIES_PER_READ:
            break
    first = _FIRST
    while waits := _pending(ask([("XPENDING", key, group, first, delivered, ENTRIES_PER_READ)])[0]):
        stored = ask([("XRANGE", key, entry_id, entry_id) for entry_id, _ in waits])
        yield [
            replace(found[0], delivery=delivery)
            if (found := _entries(reply))
            else Entry(entry_id, (), replace(delivery, is_gone=True))
            for (entry_id, delivery), reply in zip(waits, stored, strict=True)
        ]
        first = _following(waits[-1][0])
        if len(waits) < ENTRIES_PER_READ:
            break


def is_missing(reply: Value) -> bool:
    """Whether a reply says that there is no such key, or no such group."""
    if not isinstance(reply, ErrorReply):
        return False
    return reply.code == "NOGROUP" or reply.message.endswith("no such key")


def _last_delivered(reply: Value, group: str) -> str:
    """Return the id that a group was delivered last, from the reply to XINFO GROUPS; 0-0 if there is no such group."""
    for row in _items(reply):
        fields = _items(row)
        named = dict(zip(fields[::2], fields[1::2], strict=False))
        found = named.get(b"last-delivered-id")
        if named.get(b"name") == group.encode() and isinstance(found, bytes):
            return found.decode()
    return _FIRST


def _following(entry_id: str) -> str:
    """Return the least id after this one."""
    milliseconds, _, number = entry_id.partition("-")
    return f"{milliseconds}-{int(number) + 1}"


def _entries(reply: Value) -> list[Entry]:
    """Return the entries of a reply to XRANGE."""
    rows = [_items(row) for row in _items(reply)]
    return [
        Entry(row[0].decode(), _items(row[1]))
        for row in rows
        if len(row) == 2 and isinstance(row[0], bytes)
    ]


def _pending(reply: Value) -> list[tuple[str, Delivery]]:
    """Return id and last delivery of each entry of a reply to XPENDING with a range."""
    found = []
    for row in _items(reply):
        match row:
            case (bytes() as entry_id, bytes(), int() as idle_ms, int() as times):
                found.append((entry_id.decode(), Delivery(times, idle_ms / 1000)))
    return found


def _items(reply: Value) -> tuple[Value, ...]:
    return reply if isinstance(reply, tuple) else ()
