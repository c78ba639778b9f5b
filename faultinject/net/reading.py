"""What a non-blocking socket has to say: bytes, its end, or nothing yet. Knows no protocol."""

from __future__ import annotations

import socket

_READ_BYTES = 65536


def received(side: socket.socket) -> bytes | None:
    """Return what there is to read, nothing at the end of the stream, or None if there is nothing yet."""
    try:
        return side.recv(_READ_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""
