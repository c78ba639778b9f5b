"""A proxy in front of servers that announce its ports to each other, as replicas do. Knows no fault and no driver."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from midpipe.faultinject.net.front import Front
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import parse_command_table


class AnnouncedFront:
    """The proxy ports that servers announce; they exist once the servers do. Close it with ``close``."""

    def __init__(self) -> None:
        self._front: Front | None = None

    @property
    def front(self) -> Front:
        """The proxy, once ``announce`` was called."""
        assert self._front is not None, "servers that announce its ports have started"
        return self._front

    def announce(self, addresses: Sequence[Address]) -> Sequence[int]:
        """Open a port in front of each server, and return the ports."""
        with closing(Control(addresses[0])) as control:
            table = parse_command_table(control.call("COMMAND"))
        self._front = Front(addresses, table)
        return self._front.ports

    def close(self) -> None:
        """Close every connection and free the ports."""
        if self._front is not None:
            self._front.close()
