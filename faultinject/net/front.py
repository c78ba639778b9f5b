"""A proxy port in front of each of several servers, served by a thread.

Servers that reach each other through the proxy (a replica, Sentinels) connect at any time, so a loop that is driven
step by step can't serve them. A listener's ``director`` may be set from any thread; the serving thread asks it about
connections made from then on.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.proxy import Listener
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import CommandTable

_TURN_S = 0.02


class Front:
    """One listener per server. Close it with ``close``.

    Args:
        addresses: the servers, one listener each, in this order.
        table: the servers' command table.
    """

    def __init__(self, addresses: Sequence[Address], table: CommandTable) -> None:
        self._loop = Loop()
        self.listeners = tuple(
            Listener(self._loop, partial(_same, address), table) for address in addresses
        )
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="midpipe-front", daemon=True)
        self._thread.start()

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(listener.port for listener in self.listeners)

    def close(self) -> None:
        """Close every connection and free the ports."""
        self._closing.set()
        self._thread.join()
        for listener in self.listeners:
            listener.close()
        self._loop.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._loop.step(_TURN_S)


def _same(address: Address) -> Address:
    return address
