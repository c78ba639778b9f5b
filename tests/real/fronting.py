"""Servers that announce the ports of a proxy, which a thread serves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from midpipe.faultinject.net.front import Front
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import parse_command_table


class Fronted:
    """Announces the ports of a front, which exists once the servers do."""

    def __init__(self) -> None:
        self.front: Front | None = None

    def announce(self, addresses: Sequence[Address]) -> Sequence[int]:
        with closing(Control(addresses[0])) as control:
            table = parse_command_table(control.call("COMMAND"))
        self.front = Front(addresses, table)
        return self.front.ports

    def close(self) -> None:
        if self.front is not None:
            self.front.close()
