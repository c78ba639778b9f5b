"""Reading from a non-blocking socket. Knows no protocol."""

from __future__ import annotations

import select
import socket
import sys

_READ_BYTES = 65536


def receive(source: socket.socket, most_bytes: int = _READ_BYTES) -> bytes | None:
    """Return the bytes that have arrived, ``b""`` at the end of the stream, or None if nothing has arrived yet.

    A connection that was reset counts as ended. What arrives by TCP is acknowledged at once: a sender without
    TCP_NODELAY keeps the rest of its command until then, and the kernel may delay an acknowledgement by 40 ms of real
    time, which a stepped clock takes for a wait.
    """
    try:
        data = source.recv(most_bytes)
        if data and sys.platform == "linux" and source.family is socket.AF_INET:
            # The kernel forgets this option after a while, so it is set each time.
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data
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
