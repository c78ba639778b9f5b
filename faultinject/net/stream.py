"""One non-blocking socket on the loop: chunks in, buffered writes out. Knows no protocol and no other socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from midpipe.faultinject.net.loop import Loop, Ready
from midpipe.faultinject.net.outbox import Outbox
from midpipe.faultinject.net.reading import receive

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which close() sends a reset."""
# A large buffer for a small message triples the time to read it, so the size follows what arrives.
_LEAST_BYTES, _MOST_BYTES = 16_384, 262_144
_MOST_READS = 16
"""Reads in one step, before other sockets have their turn."""


class Stream:
    """Reads and writes one socket, which it makes non-blocking. Close it with ``close``.

    Args:
        on_data: called with every chunk, and with ``b""`` when the peer has closed or reset the connection.
        on_drained: called when the write buffer has become empty again.
    """

    __slots__ = (
        "_end",
        "_has_ended",
        "_is_reading",
        "_limit",
        "_loop",
        "_on_data",
        "_outbox",
        "_size",
    )

    def __init__(
        self,
        loop: Loop,
        end: socket.socket,
        on_data: Callable[[bytes], None],
        on_drained: Ready | None = None,
    ) -> None:
        end.setblocking(False)
        self._loop = loop
        self._end = end
        self._on_data = on_data
        self._outbox = Outbox(loop, end, on_drained, on_broken=self._end_reading)
        self._size = _LEAST_BYTES
        self._is_reading = False
        self._has_ended = False
        self._limit: int | None = None

    @property
    def is_drained(self) -> bool:
        """Whether the socket has taken all bytes."""
        return self._outbox.is_empty

    def read(self, *, wanted: bool = True) -> None:
        """Start reading, or stop; after the end of the stream there is nothing more to read."""
        wanted = wanted and not self._has_ended
        if wanted != self._is_reading:
            self._is_reading = wanted
            if wanted:
                self._loop.watch_readable(self._end, self._readable)
            else:
                self._loop.forget_readable(self._end)

    def limit(self, most_bytes: int | None) -> None:
        """Read chunks of at most so many bytes; None leaves their size to the stream."""
        self._limit = most_bytes

    def send(self, data: bytes) -> bool:
        """Send, and buffer what the socket does not take; return whether the buffer is empty."""
        return self._outbox.send(data)

    def reset_on_close(self) -> None:
        """Have ``close`` send a reset."""
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    def close(self) -> None:
        """Close the socket; what is still buffered is lost."""
        self.detach().close()

    def detach(self) -> socket.socket:
        """Stop reading and writing, and return the socket, which is the caller's from now on."""
        self._is_reading = False
        self._loop.forget(self._end)
        return self._end

    def _readable(self) -> None:
        for _ in range(_MOST_READS):
            size = self._limit or self._size
            data = receive(self._end, size)
            if data is None:
                return
            if not data:
                self._end_reading()
                return
            self._on_data(data)
            if not self._is_reading:
                return
            if len(data) < size:
                self._size = _LEAST_BYTES
                return
            self._size = min(2 * size, _MOST_BYTES)

    def _end_reading(self) -> None:
        self.read(wanted=False)
        self._has_ended = True
        self._on_data(b"")
