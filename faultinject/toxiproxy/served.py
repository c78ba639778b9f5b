"""midpipe's own fault proxy, served by a thread: for whoever drives it over HTTP from the same process."""

from __future__ import annotations

import threading

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.toxiproxy.service import FaultProxy
from midpipe.faultinject.vocabulary import Address

_TURN_S = 0.02


class ServedFaultProxy:
    """A fault proxy on a port of the system's choice. Close it with ``close``.

    Args:
        seed: of its dice.
    """

    def __init__(self, seed: int = 0) -> None:
        self._loop = Loop()
        self._proxy = FaultProxy(self._loop, port=0, seed=seed)
        host, _, port = self._proxy.address.rpartition(":")
        self.api = Address(host=host, port=int(port))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="midpipe-proxy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every connection and give the ports back."""
        self._closing.set()
        self._thread.join()
        self._proxy.close()
        self._loop.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._loop.step(_TURN_S)
