"""Reading from a non-blocking socket. Knows no protocol."""

from __future__ import annotations

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
