"""midpipe's fault proxy with its HTTP server, on a given loop or in a thread of its own."""

from __future__ import annotations

import threading

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.toxiproxy.addresses import LOOPBACK, AddressError, Endpoint, parse
from midpipe.faultinject.toxiproxy.http_server import HttpServer
from midpipe.faultinject.toxiproxy.service import FaultProxy
from midpipe.faultinject.vocabulary import Address

_STEP_S = 0.02


def serve_api(loop: Loop, proxy: FaultProxy, host: str, port: int) -> HttpServer:
    """Serve a proxy's API over HTTP.

    Args:
        host: a name or an address, IPv6 with or without brackets.
        port: 0 lets the system choose one.

    Raises:
        UsageError: it can't listen there.
    """
    listen = Endpoint(host.removeprefix("[").removesuffix("]"), port)
    try:
        return HttpServer(loop, str(listen), proxy.answer)
    except AddressError as error:
        reason = str(error).removeprefix(f"can't listen on {listen}: ")
        raise UsageError(
            f"The API can't listen on {listen}: {reason}. Choose another --port; 0 takes any free one."
        ) from error


class ServedFaultProxy:
    """A fault proxy whose API a thread serves, on a loopback port that the system chooses. Close it with ``close``.

    Attributes:
        api: where the API is served.

    Args:
        seed: of all random numbers.
    """

    def __init__(self, seed: int = 0) -> None:
        self._loop = Loop()
        self._proxy = FaultProxy(self._loop, seed=seed)
        self._server = serve_api(self._loop, self._proxy, LOOPBACK, 0)
        endpoint = parse(self._server.listen)
        self.api = Address(host=endpoint.host, port=endpoint.port)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="midpipe-proxy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the API and every proxy."""
        self._closing.set()
        self._thread.join()
        self._server.close()
        self._proxy.close()
        self._loop.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._loop.step(_STEP_S)
