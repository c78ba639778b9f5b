"""Ask the kernel which TCP connections are being opened: asked for, and neither accepted nor refused yet.

On the loopback interface the kernel answers at once, with one exception: a closed port at which a connection with the
same two port numbers stands in TIME_WAIT. Then the kernel drops the request, and the client repeats it some
milliseconds later. Knows nothing about proxies.

The request and its answers are in sock_diag(7).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Collection, Iterator

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_REQUEST, _DUMP = 0x1, 0x300
_ERROR, _DONE = 2, 3
_SYN_SENT = 2
_HEADER = struct.Struct("=IHHII")
"""Length, type, flags, sequence number, port."""
_FILTER = struct.Struct("=BBBxI48x")
"""Address family, protocol, extensions, states, addresses; those are all zero, which any address matches."""
_DESTINATION_PORT = struct.Struct("!6xH")
"""Family, state, timer, retransmissions, source port; then the one that is read."""
_AT_MOST_BYTES = 1 << 16


def is_opening(ports: Collection[int]) -> bool:
    """Whether an IPv4 connection to one of these ports is being opened, by any process of this machine.

    False where the kernel does not answer the question.
    """
    if sys.platform != "linux":
        return False
    try:
        return any(port in ports for port in _opening())
    except OSError:
        return False


def _opening() -> Iterator[int]:
    """Yield the destination ports of the connections that are being opened. Raises OSError if the kernel refuses."""
    request = _FILTER.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 1 << _SYN_SENT)
    length = _HEADER.size + len(request)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST | _DUMP, 0, 0) + request)
        while True:
            answers = kernel.recv(_AT_MOST_BYTES)
            at = 0
            while at < len(answers):
                length, kind, *_ = _HEADER.unpack_from(answers, at)
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
                yield _DESTINATION_PORT.unpack_from(answers, at + _HEADER.size)[0]
                at += (length + 3) & ~3
