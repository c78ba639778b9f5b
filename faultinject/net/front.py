"""Ports in front of several servers, served by a thread: for servers that reach each other through the proxy.

They do that whenever they like, so it can't be left to a loop that is driven step by step. A listener's ``director``
may be set from outside at any time; it is asked in the thread, about the connections that are made from then on.
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
        addresses: where each of them leads.
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
        """End every connection and give the ports back."""
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
