"""One of several servers that find each other over TCP: a primary, a replica or a Sentinel.

A node listens on a loopback port, whether it is a process or a container, so the other nodes, clients and a proxy all
reach it by the same address.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Protocol

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.ports import LOOPBACK, may_listen_on
from midpipe.faultinject.servers.control import Control, Word
from midpipe.faultinject.servers.server import Server, fields_of
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.resp import Value

REPLICATED = (
    # Send the first copy at once, without waiting for further replicas.
    *("--repl-diskless-sync", "no"),
    *("--repl-diskless-sync-delay", "0"),
    # Load it as it arrives: by way of the disk, Valkey 9.1 checks for it only once a second.
    *("--repl-diskless-load", "swapdb"),
)
Announce = Callable[[Sequence[Address]], Sequence[int]]
"""Returns, for the addresses on which servers listen, the ports that they announce: a proxy's, for example."""
_TRIES = 5
_REPLICATED_WITHIN_S = 10.0
_POLL_S = 0.001


class NodeServer(Server, Protocol):
    """A server that midpipe started, and that ``restart`` starts again after ``stop``."""

    @property
    def is_running(self) -> bool: ...


class Origin(Protocol):
    """Starts the servers of one topology, from a binary or from an image.

    Attributes:
        ports: free ports for its servers.
    """

    @property
    def ports(self) -> Iterator[int]: ...

    def start(self, port: int, arguments: Sequence[str], config: str | None) -> NodeServer:
        """Start a server on a loopback port. Raises ServerError.

        Args:
            arguments: further words of its command line.
            config: the text of its configuration file, which it may rewrite; None gives it no such file.
        """

    def pids(self) -> tuple[int, ...]:
        """Return the processes of its servers, where midpipe knows them."""

    def close(self) -> None:
        """End every server that it has started; safe to call twice."""


class Node:
    """A server on a loopback port of its own.

    Args:
        origin: starts it.
        arguments, config: as ``Origin.start`` takes them.

    Raises:
        ServerError: it does not start.
    """

    def __init__(
        self, origin: Origin, arguments: Sequence[str] = REPLICATED, config: str | None = None
    ) -> None:
        for tries_left in range(_TRIES - 1, -1, -1):
            self.port = next(origin.ports)
            try:
                self.server = origin.start(self.port, arguments, config)
                return
            except ServerError:
                # Another port helps only if another process has taken this one meanwhile.
                if not tries_left or may_listen_on(self.port):
                    raise

    @property
    def address(self) -> Address:
        """Where midpipe reaches it; not the announced address."""
        return self.server.address

    def call(self, *words: Word) -> Value:
        """Send a command on a new connection and return the answer. Raises ServerError."""
        with closing(Control(self.address)) as control:
            return control.call(*words)

    def info(self, section: str) -> dict[str, str]:
        """Return the fields of one section of INFO. Raises ServerError."""
        return dict(fields_of(self.call("INFO", section)))

    def stop(self) -> None:
        """End it; safe to call twice."""
        self.server.stop()


def announced_ports(nodes: Sequence[Node], announce: Announce | None) -> tuple[int, ...]:
    """Return the ports that nodes announce: those from ``announce``, or their own."""
    if announce is None:
        return tuple(node.port for node in nodes)
    # TCP addresses: servers look up the peer address of a connection, and a unix socket has none.
    return tuple(announce(tuple(Address(host=LOOPBACK, port=node.port) for node in nodes)))


def await_condition(holds: Callable[[], bool], within_s: float, what: str, poll_s: float) -> None:
    """Poll until a condition holds; servers send no event when they have found each other.

    Args:
        within_s: how long to wait, in seconds.
        what: what the servers should do, for the error: "The servers did not …".
        poll_s: pause between two polls, in seconds.

    Raises:
        ServerError: the condition did not hold in time.
    """
    deadline_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise ServerError(f"The servers did not {what} within {within_s:.0f} s.")
        time.sleep(poll_s)


def await_replication(primary: Node, replica: Node) -> None:
    """Wait until the replica has received all of the primary's writes. Raises ServerError."""

    def is_replicated() -> bool:
        received = fields_of(of_replica.call("INFO", "replication"))
        sent = fields_of(of_primary.call("INFO", "replication"))
        return received.get("master_link_status") == "up" and (
            received.get("slave_repl_offset") == sent.get("master_repl_offset")
        )

    with (
        closing(Control(primary.address)) as of_primary,
        closing(Control(replica.address)) as of_replica,
    ):
        await_condition(is_replicated, _REPLICATED_WITHIN_S, "replicate all writes", _POLL_S)
