"""Finding TCP ports on the loopback for servers that can't do without: replicas, Sentinels, nodes of a Cluster.

The system gives none away for somebody else to bind, so a port that is free now may be taken a moment later;
whoever starts a server on one tries again with another.
"""

from __future__ import annotations

import itertools
import socket
import zlib
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
BUS_OFFSET = 10_000
"""A Cluster's node listens for its peers so far above its own port."""
# Below the ports that systems give to connections, and such that the bus is a port as well.
_FIRST, _LAST = 12_000, 22_000


def free_ports(run: str) -> Iterator[int]:
    """Yield ports on which, and on the bus above which, nobody listens.

    Args:
        run: a name that no other run has. Each begins at another place, since what watches a server that has gone, a
            Sentinel say, must not find another run's server in its place.
    """
    span = _LAST - _FIRST
    for number in itertools.count(zlib.crc32(run.encode())):
        port = _FIRST + number % span
        if may_listen_on(port):
            yield port


def may_listen_on(port: int) -> bool:
    """Whether nobody listens on a port, nor on the bus above it, now."""
    return _is_free(port) and _is_free(port + BUS_OFFSET)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
