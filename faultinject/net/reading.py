"""Reading from a non-blocking socket. Knows no protocol."""

from __future__ import annotations

import select
import socket

_READ_BYTES = 65536


def receive(source: socket.socket, most_bytes: int = _READ_BYTES) -> bytes | None:
    """Return the bytes that have arrived, ``b""`` at the end of the stream, or None if nothing has arrived yet.

    A connection that was reset counts as ended.
    """
    try:
        return source.recv(most_bytes)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def is_ended(sock: socket.socket, within_s: float) -> bool:
    """Whether the peer has closed the connection, and all that it sent before has been read.

    Args:
        within_s: how long to wait for that or for data, in seconds.
    """
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not poll.poll(within_s * 1000):
        return False
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
