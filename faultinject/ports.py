"""Finds free TCP ports on the loopback for servers that need one: replicas, Sentinels, nodes of a Cluster.

A port can't be reserved for another process, so one that is free now may be taken a moment later; the code that
starts a server on it then tries the next.
"""

from __future__ import annotations

import itertools
import socket
import zlib
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
BUS_OFFSET = 10_000
"""A node of a Cluster listens for its peers this far above its own port."""
# Below the kernel's ephemeral ports, and low enough for the bus port above.
_FIRST, _LAST = 12_000, 22_000


def free_ports(run: str) -> Iterator[int]:
    """Yield ports that are free, together with the bus port above each.

    Args:
        run: a name that no other run has. Each run starts at a different port, so that what still watches a server of
            a finished run (a Sentinel, for example) does not find another run's server at its address.
    """
    span = _LAST - _FIRST
    for number in itertools.count(zlib.crc32(run.encode())):
        port = _FIRST + number % span
        if may_listen_on(port):
            yield port


def may_listen_on(port: int) -> bool:
    """Whether a port and the bus port above it are free now."""
    return _is_free(port) and _is_free(port + BUS_OFFSET)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
