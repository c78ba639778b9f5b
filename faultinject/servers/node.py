"""One of several servers of ours that find each other over TCP: a replica, a Sentinel, a node of a Cluster.

It listens on a port of the loopback, whatever it is made of: so each is known to the others, to clients and to a proxy
by one and the same address.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Protocol

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.control import Control, Word
from midpipe.faultinject.servers.ports import LOOPBACK, may_listen_on
from midpipe.faultinject.servers.server import Server, fields_of
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.resp import Value

REPLICATED = (
    # The first copy is sent at once, not when more replicas may have come.
    *("--repl-diskless-sync", "no"),
    *("--repl-diskless-sync-delay", "0"),
    # And loaded as it comes: by way of the disk, Valkey 9.1 looks for it only once a second.
    *("--repl-diskless-load", "swapdb"),
)
Announce = Callable[[Sequence[Address]], Sequence[int]]
"""From where servers listen to the ports by which they are to be known: those of a proxy, say."""
_TRIES = 5
_IN_STEP_WITHIN_S = 10.0
_POLL_S = 0.001


class NodeServer(Server, Protocol):
    """A server of ours that may have been ended, and that ``restart`` starts again."""

    @property
    def is_running(self) -> bool: ...


class Origin(Protocol):
    """What the servers of one topology come from: a binary, or an image.

    Attributes:
        ports: those that its servers may listen on.
    """

    @property
    def ports(self) -> Iterator[int]: ...

    def start(self, port: int, more: Sequence[str], config: str | None) -> NodeServer:
        """Start a server on a port of the loopback. Raises ServerError.

        Args:
            more: further words of its command line.
            config: the text of its configuration file, which it may rewrite; None is no such file.
        """

    def close(self) -> None:
        """End every server that came from it; safe to call twice."""


class Node:
    """A server on a port that it shares with nobody.

    Args:
        origin: what it comes from.
        more, config: as the origin takes them.

    Raises:
        ServerError: it does not start.
    """

    def __init__(
        self, origin: Origin, more: Sequence[str] = REPLICATED, config: str | None = None
    ) -> None:
        for tries_left in range(_TRIES - 1, -1, -1):
            self.port = next(origin.ports)
            try:
                self.server = origin.start(self.port, more, config)
                return
            except ServerError:
                # Another port helps only if somebody has taken this one meanwhile.
                if not tries_left or may_listen_on(self.port):
                    raise

    @property
    def address(self) -> Address:
        """Where midpipe's own calls go."""
        return self.server.address

    def told(self, *words: Word) -> Value:
        """Return its answer to a command on a connection of its own. Raises ServerError."""
        with closing(Control(self.address)) as control:
            return control.call(*words)

    def info(self, section: str) -> dict[str, str]:
        """Return the fields of a section of INFO. Raises ServerError."""
        return dict(fields_of(self.told("INFO", section)))

    def stop(self) -> None:
        """End it; safe to call twice."""
        self.server.stop()


def known_ports(nodes: Sequence[Node], announce: Announce | None) -> tuple[int, ...]:
    """Return the ports by which nodes are to be known: what is announced, or their own."""
    if announce is None:
        return tuple(node.port for node in nodes)
    # Over TCP: servers ask their peers' connections where they come from, and a socket's path is no answer to them.
    return tuple(announce(tuple(Address(host=LOOPBACK, port=node.port) for node in nodes)))


def await_that(holds: Callable[[], bool], within_s: float, what: str, poll_s: float) -> None:
    """Ask until it holds: servers tell nobody when they have found each other.

    Args:
        what: how to go on after "did not", in the error.

    Raises:
        ServerError: it did not hold in time.
    """
    deadline_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise ServerError(f"The servers did not {what} within {within_s:.0f} s.")
        time.sleep(poll_s)


def await_in_step(primary: Node, replica: Node) -> None:
    """Wait until the replica has got everything. Raises ServerError."""

    def is_in_step() -> bool:
        had = fields_of(of_replica.call("INFO", "replication"))
        sent = fields_of(of_primary.call("INFO", "replication"))
        return had.get("master_link_status") == "up" and (
            had.get("slave_repl_offset") == sent.get("master_repl_offset")
        )

    with (
        closing(Control(primary.address)) as of_primary,
        closing(Control(replica.address)) as of_replica,
    ):
        await_that(is_in_step, _IN_STEP_WITHIN_S, "get in step", _POLL_S)
