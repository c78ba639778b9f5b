"""A real Toxiproxy in a container, on a network with a server's container, as a second source of network faults.

It reaches the server by name, so it need not be told a port that changes. Its proxies are made over its HTTP API, on
the ports that were mapped when it started. It ends with the server's household. Knows no toxic.

Source: https://github.com/Shopify/toxiproxy (the API's port and the image), testcontainers' Java module for the ports.
"""

from __future__ import annotations

from midpipe.faultinject.servers.container import NAME, PORT, ContainerServer
from midpipe.faultinject.vocabulary import Address

DEFAULT_IMAGE = "ghcr.io/shopify/toxiproxy:2.12.0"
API_PORT = 8474
LISTEN_PORTS = range(8666, 8670)
"""Those inside on which its proxies may listen; each costs the engine a process."""
_POLL_S = 0.02


class ToxiproxyContainer:
    """A running Toxiproxy beside a server in a container.

    Args:
        image: as the engine names it.
        server: one of a household with a network.

    Raises:
        ServerError: the image can't be had, or it does not start.
    """

    upstream = f"{NAME}:{PORT}"
    """The server, as a proxy of this Toxiproxy reaches it."""

    def __init__(self, image: str, server: ContainerServer) -> None:
        household = server.household
        self._container = household.start(
            image,
            ports=[API_PORT, *LISTEN_PORTS],
            name="toxiproxy",
            prepared=lambda container: container.waiting_for(
                household.answers(API_PORT, "/version", _POLL_S)
            ),
        )

    @property
    def api(self) -> Address:
        """Where its HTTP API is reached from here."""
        return self._container.address(API_PORT)

    def address(self, listen_port: int) -> Address:
        """Return where a proxy that listens on one of its ports inside is reached from here."""
        return self._container.address(listen_port)
