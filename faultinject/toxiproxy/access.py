"""Who may use the API, and which addresses its proxies may listen on. Pure.

Without a token the API is for this machine only. A browser on this machine must not reach it for a web page: the page's
own host name, made to resolve to 127.0.0.1 (DNS rebinding), shows in the Host header. So a Host header has to be an IP
address, a name of the loopback, or a name that the user allows. And without a token no proxy listens on an address that
other machines reach, because its upstream would be open to them.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from midpipe.faultinject.errors import UsageError


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one API.

    Args:
        token: what a request must carry as ``Authorization: Bearer …``; None asks for nothing.
        hosts: names that a Host header may have, besides IP addresses and the loopback's names.

    Raises:
        UsageError: the token is blank.
    """

    token: str | None = None
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.token is not None and not self.token.strip():
            raise UsageError(
                "The token is blank, so it would protect nothing. Give a secret, or leave the token out."
            )

    def __repr__(self) -> str:
        return f"Access({'with' if self.token else 'without'} a token, hosts {self.hosts})"

    def is_authorized(self, header: str) -> bool:
        """Whether an Authorization header, empty if there is none, carries the token."""
        if self.token is None:
            return True
        scheme, _, given = header.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode(), self.token.encode()
        )

    def is_known_host(self, header: str) -> bool:
        """Whether a Host header names this API. HTTP/1.0 has none, and no browser speaks that."""
        if not header:
            return True
        try:
            name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
        except ValueError:
            return False
        allowed = ("localhost", *(host.lower() for host in self.hosts))
        return name in allowed or name.endswith(".localhost") or _is_address(name)

    def may_listen_on(self, host: str) -> bool:
        """Whether a proxy may listen on a host: any with a token, the loopback without one; empty is the loopback."""
        return self.token is not None or not host or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether a host is the loopback's name or one of its addresses, IPv6 with or without brackets."""
    host = host.removeprefix("[").removesuffix("]")
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Before Python 3.13 an IPv4 address that is mapped into IPv6 is not taken for the loopback.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
