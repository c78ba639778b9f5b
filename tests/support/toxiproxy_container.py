"""A real Toxiproxy in a container, on one network with a server's container.

It reaches the server by host name, so a changed port does not matter. Its proxies are created over its HTTP API, on
the ports that were mapped when it started. It is removed with the server's group.

Source: https://github.com/Shopify/toxiproxy (the API's port and the image), testcontainers' Java module for the ports.
"""

from __future__ import annotations

from midpipe.faultinject.servers.container import NAME, PORT, ContainerServer
from midpipe.faultinject.vocabulary import Address

DEFAULT_IMAGE = "ghcr.io/shopify/toxiproxy:2.12.0"
API_PORT = 8474
LISTEN_PORTS = range(8666, 8670)
"""The ports inside on which its proxies may listen; each mapped port costs the engine a process."""
_POLL_S = 0.02


class ToxiproxyContainer:
    """A running Toxiproxy beside a server in a container.

    Args:
        image: as the engine names it.
        server: a server of a group with a network.

    Raises:
        ServerError: the image can't be pulled, or it does not start.
    """

    upstream = f"{NAME}:{PORT}"
    """The server's address inside the network."""

    def __init__(self, image: str, server: ContainerServer) -> None:
        group = server.group
        self._container = group.start(
            image,
            ports=[API_PORT, *LISTEN_PORTS],
            name="toxiproxy",
            prepare=lambda container: container.waiting_for(
                group.until_http_answers(API_PORT, "/version", _POLL_S)
            ),
        )

    @property
    def api(self) -> Address:
        """Where its HTTP API is reached from here."""
        return self._container.address(API_PORT)

    def address(self, listen_port: int) -> Address:
        """Return where a port inside is mapped on this machine."""
        return self._container.address(listen_port)
