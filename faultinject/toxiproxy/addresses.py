"""The API's addresses, ``host:port``: parsing, resolving, listening.

Resolving a name may block for as long as the system's resolver does. Opens no connection.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


class AddressError(ValueError):
    """The text is not an address, its name is unknown, or the address can't be listened on."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host, empty for none, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str) -> Endpoint:
    """Return the endpoint that a text names; an empty text has neither host nor port. Raises AddressError."""
    if not text:
        return Endpoint("", 0)
    host, colon, port = text.rpartition(":")
    if text.startswith("[") and "]:" in text:
        host = host[1:-1]
    elif not colon or text.endswith("]"):
        raise AddressError(f"address {text!r} has no port")
    elif ":" in host:
        raise AddressError(f"address {text!r} has too many colons; write [host]:port for IPv6")
    return Endpoint(host, _port(port))


def _port(text: str) -> int:
    if not text:
        return 0
    if text.isdigit():
        if int(text) > 65535:
            raise AddressError(f"port {text} is above 65535")
        return int(text)
    try:
        return socket.getservbyname(text, "tcp")
    except OSError as error:
        raise AddressError(f"port {text!r} is unknown") from error


def resolved(text: str) -> str:
    """Return an address with its host in numbers, IPv4 preferred. Raises AddressError."""
    endpoint = parse(text)
    host = lookup(endpoint)[0][1][0] if endpoint.host else ""
    return str(Endpoint(host, endpoint.port))


Resolved = tuple[socket.AddressFamily, tuple[str, int]]


def lookup(endpoint: Endpoint) -> tuple[Resolved, ...]:
    """Return every address of an endpoint, IPv4 first. Raises AddressError."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AddressError(f"host {endpoint.host!r} is unknown") from error
    ordered = sorted(found, key=lambda one: one[0] != socket.AF_INET)
    return tuple((family, (str(at[0]), int(at[1]))) for family, _, _, _, at in ordered)


def listening(text: str, *, backlog: int = 128) -> socket.socket:
    """Return a non-blocking socket that listens on an address; without a host, on the loopback.

    Raises:
        AddressError: it is not an address, or can't be listened on.
    """
    endpoint = parse(text)
    family, at = lookup(Endpoint(endpoint.host or LOOPBACK, endpoint.port))[0]
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(at)
        found.listen(backlog)
        found.setblocking(False)
    except OSError as error:
        found.close()
        reason = os.strerror(error.errno or errno.EINVAL).lower()
        raise AddressError(f"can't listen on {Endpoint(*at)}: {reason}") from error
    return found


def bound_to(listener: socket.socket) -> str:
    """Return the address that a socket is bound to."""
    host, port = listener.getsockname()[:2]
    return str(Endpoint(host, port))
