"""A write buffer for a non-blocking socket: nothing blocks, nothing is lost, order is kept."""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress

from midpipe.faultinject.net.loop import Loop, Ready

_MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)


class Outbox:
    """The bytes still to be written to one non-blocking socket.

    Args:
        on_taken: called when the buffer has become empty again.
        on_broken: called once, when writing fails because the peer is gone.
    """

    def __init__(
        self,
        loop: Loop,
        to: socket.socket,
        on_taken: Ready | None = None,
        on_broken: Ready | None = None,
    ) -> None:
        self._loop = loop
        self._to = to
        self._on_taken = on_taken
        self._on_broken = on_broken
        self._waiting: deque[memoryview] = deque()
        self._is_broken = False
        self._closes = False

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def send(self, data: bytes, flags: int = 0) -> bool:
        """Send, and buffer what the socket does not take; return whether the buffer is empty.

        Args:
            flags: as ``socket.send`` takes them.
        """
        if self._is_broken:
            return True
        if self._waiting:
            self._waiting.append(memoryview(data))
            return False
        try:
            sent = self._to.send(data, flags)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._break()
            return True
        if sent == len(data):
            return True
        self._waiting.append(memoryview(data)[sent:])
        self._loop.watch_writable(self._to, self._write_more)
        return False

    def send_last(self, data: bytes) -> None:
        """Send the last bytes and the FIN in one packet, so that they can't arrive apart."""
        if self.send(data, _MORE_FOLLOWS):
            with suppress(OSError):
                self._to.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket once the buffer is empty; nothing is read from it any more."""
        self._closes = True
        if self._waiting:
            self._loop.forget_readable(self._to)
        else:
            self._loop.forget(self._to)
            self._to.close()

    def _write_more(self) -> None:
        while self._waiting:
            data = self._waiting.popleft()
            try:
                sent = self._to.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._break()
                return
            if sent < len(data):
                self._waiting.appendleft(data[sent:])
                return
        self._loop.forget_writable(self._to)
        if self._closes:
            self.close()
        elif self._on_taken is not None:
            self._on_taken()

    def _break(self) -> None:
        self._is_broken = True
        if self._waiting:
            self._waiting.clear()
            self._loop.forget_writable(self._to)
        if self._closes:
            self.close()
        elif self._on_broken is not None:
            self._on_broken()
