"""What the servers of a topology come from: a binary of this machine, or an image.

From an image they are on the network of the machine itself, and listen on its loopback only: so each announces an
address that the others, the clients and midpipe's proxy reach alike. Behind mapped ports it would have two.
"""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.faultinject.servers.container import ContainerNode
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.engine import ContainerGroup
from midpipe.faultinject.servers.ports import LOOPBACK
from midpipe.faultinject.servers.reaper import RunDirectory


class FromBinary:
    """Processes of a binary.

    Args:
        binary, run: as an EmbeddedServer takes them.
    """

    def __init__(self, binary: str | None, run: RunDirectory) -> None:
        self.ports = run.ports
        self._binary = binary
        self._run = run
        self._started: list[EmbeddedServer] = []

    def start(self, port: int, more: Sequence[str], config: str | None) -> EmbeddedServer:
        """Start a process. Raises ServerError."""
        words = (*_listening(port), *more)
        server = EmbeddedServer(self._binary, self._run, more=words, config=config)
        self._started.append(server)
        return server

    def close(self) -> None:
        """End every process; safe to call twice."""
        for server in self._started:
            server.stop()


class FromImage:
    """Containers of an image.

    Raises:
        ServerError: no engine answers.
        NotApplicableError: this machine's loopback is not that of the engine.
    """

    def __init__(self, image: str, run: RunDirectory) -> None:
        self.ports = run.ports
        self._image = image
        self._household = ContainerGroup(run)
        try:
            self._household.want_our_loopback()
        except BaseException:
            self._household.close()
            raise

    def start(self, port: int, more: Sequence[str], config: str | None) -> ContainerNode:
        """Start a container. Raises ServerError."""
        words = (*_listening(port), *more)
        return ContainerNode(self._image, self._household, port, words, config or "")

    def close(self) -> None:
        """Remove every container; safe to call twice."""
        self._household.close()


def _listening(port: int) -> tuple[str, ...]:
    return "--bind", LOOPBACK, "--port", str(port)
