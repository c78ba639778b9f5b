"""Addresses as the API has them, ``host:port``, with what Go says of those that can't be used.

Looks names up, which may block for as long as the system's resolver does; opens no connection.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


class AddressError(ValueError):
    """The text is no address, or its name is not known; the message is Go's."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host, empty for none, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str) -> Endpoint:
    """Return the endpoint that a text names; an empty text is any port of no host. Raises AddressError."""
    if not text:
        return Endpoint("", 0)
    host, colon, port = text.rpartition(":")
    if text.startswith("[") and "]:" in text:
        host = host[1:-1]
    elif not colon or text.endswith("]"):
        raise AddressError(f"address {text}: missing port in address")
    elif ":" in host:
        raise AddressError(f"address {text}: too many colons in address")
    return Endpoint(host, _port(port))


def _port(text: str) -> int:
    if not text:
        return 0
    if text.isdigit():
        if int(text) > 65535:
            raise AddressError(f"address {text}: invalid port")
        return int(text)
    try:
        return socket.getservbyname(text, "tcp")
    except OSError as error:
        raise AddressError(f"lookup tcp/{text}: unknown port") from error


def resolved(text: str) -> str:
    """Return a text's address with the host as numbers, IPv4 before IPv6. Raises AddressError."""
    endpoint = parse(text)
    host = lookup(endpoint)[0][1][0] if endpoint.host else ""
    return str(Endpoint(host, endpoint.port))


Found = tuple[socket.AddressFamily, tuple[str, int]]


def lookup(endpoint: Endpoint) -> tuple[Found, ...]:
    """Return every address of an endpoint, IPv4 first. Raises AddressError."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AddressError(f"lookup {endpoint.host}: no such host") from error
    ordered = sorted(found, key=lambda one: one[0] != socket.AF_INET)
    return tuple((family, (str(at[0]), int(at[1]))) for family, _, _, _, at in ordered)


def listening(text: str, *, backlog: int = 128) -> socket.socket:
    """Return a non-blocking socket that listens at an address; without a host, on the loopback.

    Raises:
        AddressError: as Go's net.Listen says it.
    """
    try:
        endpoint = parse(text)
        family, at = lookup(Endpoint(endpoint.host or LOOPBACK, endpoint.port))[0]
    except AddressError as error:
        raise AddressError(f"listen tcp: {error}") from error
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(at)
        found.listen(backlog)
        found.setblocking(False)
    except OSError as error:
        found.close()
        raise AddressError(f"listen tcp {Endpoint(*at)}: bind: {_in_gos_words(error)}") from error
    return found


def bound_to(listener: socket.socket) -> str:
    """Return the address that a socket is bound to."""
    host, port = listener.getsockname()[:2]
    return str(Endpoint(host, port))


def _in_gos_words(error: OSError) -> str:
    text = os.strerror(error.errno or errno.EINVAL)
    return text[:1].lower() + text[1:]
