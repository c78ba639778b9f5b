"""The origins of a topology's servers: a binary on this machine, or an image.

Containers use the host's network and listen on its loopback only, so each announces one address that the other
servers, the clients and midpipe's proxy all reach. Behind a mapped port it would have two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midpipe.faultinject.ports import LOOPBACK
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import EmbeddedServer

if TYPE_CHECKING:
    from midpipe.faultinject.servers.container import ContainerNode


class FromBinary:
    """Starts processes of a binary.

    Args:
        binary, run, environment: as an EmbeddedServer takes them.
    """

    def __init__(
        self,
        binary: str | None,
        run: RunDirectory,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.ports = run.ports
        self._binary = binary
        self._run = run
        self._environment = environment
        self._started: list[EmbeddedServer] = []

    def start(self, port: int, arguments: Sequence[str], config: str | None) -> EmbeddedServer:
        """Start a process. Raises ServerError."""
        arguments = (*_listen_arguments(port), *arguments)
        server = EmbeddedServer(
            self._binary,
            self._run,
            arguments=arguments,
            config=config,
            environment=self._environment,
        )
        self._started.append(server)
        return server

    def pids(self) -> tuple[int, ...]:
        """Return the processes that run."""
        return tuple(server.pid for server in self._started if server.is_running)

    def close(self) -> None:
        """End every process; safe to call twice."""
        for server in self._started:
            server.stop()


class FromImage:
    """Starts containers of an image.

    Args:
        image, run: as a ContainerServer and a ContainerGroup take them.

    Raises:
        ServerError: no engine answers.
        NotApplicableError: the engine's host network is not this machine's.
    """

    def __init__(self, image: str, run: RunDirectory) -> None:
        self.ports = run.ports
        self._image = image
        from midpipe.faultinject.servers.engine import ContainerGroup

        self._group = ContainerGroup(run)
        try:
            self._group.require_host_network()
        except BaseException:
            self._group.close()
            raise

    def start(self, port: int, arguments: Sequence[str], config: str | None) -> ContainerNode:
        """Start a container. Raises ServerError."""
        arguments = (*_listen_arguments(port), *arguments)
        from midpipe.faultinject.servers.container import ContainerNode

        return ContainerNode(self._image, self._group, port, arguments, config or "")

    def pids(self) -> tuple[int, ...]:
        """Return none: the processes of containers are not this machine's."""
        return ()

    def close(self) -> None:
        """Remove every container; safe to call twice."""
        self._group.close()


def _listen_arguments(port: int) -> tuple[str, ...]:
    return "--bind", LOOPBACK, "--port", str(port)
