"""The fault proxy as a whole: the world, the routes that carry it out, and the HTTP endpoint, on one loop."""

from __future__ import annotations

from pathlib import Path

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.toxiproxy.addresses import LOOPBACK, AddressError, resolved
from midpipe.faultinject.toxiproxy.api import handle, populate
from midpipe.faultinject.toxiproxy.api_state import ApiState
from midpipe.faultinject.toxiproxy.endpoint import HttpEndpoint
from midpipe.faultinject.toxiproxy.exchange import (
    Add,
    Answer,
    Effect,
    EffectFailedError,
    Forget,
    Handling,
    Remove,
    Request,
    Resolve,
    Start,
    Stop,
    Update,
    carried_out,
)
from midpipe.faultinject.toxiproxy.metrics import exposition
from midpipe.faultinject.toxiproxy.route import Route
from midpipe.faultinject.toxiproxy.wire_toxics import Tally

DEFAULT_PORT = 8474


class FaultProxy:
    """midpipe's proxy with Toxiproxy's API. Close it with ``close``.

    Args:
        host, port: where the API listens; port 0 lets the system choose.
        token: what a request must bear, if anything.
        seed: of all dice.
        proxy_metrics: serve /metrics.

    Raises:
        UsageError: the API can't listen there.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        host: str = LOOPBACK,
        port: int = DEFAULT_PORT,
        token: str = "",
        seed: int = 0,
        proxy_metrics: bool = False,
    ) -> None:
        self._loop = loop
        self._token = token
        self._seed = seed
        self._proxy_metrics = proxy_metrics
        self._routes: dict[str, Route] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}
        self.world = ApiState()
        try:
            self._endpoint = HttpEndpoint(loop, f"{host}:{port}", self.answer)
        except AddressError as error:
            raise UsageError(
                f"The API can't listen on {host}:{port}: {error}. Choose another --port; 0 takes any that is free."
            ) from error

    @property
    def address(self) -> str:
        """Where the API listens."""
        return self._endpoint.listen

    def answer(self, request: Request) -> Answer:
        """Answer a request, and have its effects."""
        return self._carried_out(
            handle(
                request,
                self.world,
                self._fired,
                token=self._token,
                metrics=self._metrics if self._proxy_metrics else None,
            )
        )

    def populate(self, config: Path) -> None:
        """Make the proxies of a configuration file: a JSON array, as for POST /populate. Raises UsageError."""
        try:
            body = config.read_bytes()
        except OSError as error:
            raise UsageError(f"{config} can't be read: {error.strerror or error}.") from error
        answer = self._carried_out(populate(self.world, body))
        if answer.status != 201:
            raise UsageError(f"{config} can't be used: {answer.body.decode()}")

    def close(self) -> None:
        """End every proxy and the API."""
        self._endpoint.close()
        for route in self._routes.values():
            route.close()
        self._routes.clear()

    def _fired(self, proxy: str, toxic: str) -> int:
        return self._tallies[proxy, toxic].fired if (proxy, toxic) in self._tallies else 0

    def _tally(self, proxy: str, toxic: str) -> Tally:
        return self._tallies.setdefault((proxy, toxic), Tally())

    def _carried_out(self, handling: Handling) -> Answer:
        answer = carried_out(handling, self._outcome)
        self.world = answer.world
        return answer

    def _outcome(self, effect: Effect) -> str:
        """Have an effect. Raises EffectFailedError."""
        try:
            return self._had(effect)
        except AddressError as error:
            raise EffectFailedError(str(error)) from error

    def _had(self, effect: Effect) -> str:
        if isinstance(effect, Resolve):
            return resolved(effect.listen)
        if isinstance(effect, Start):
            name = effect.proxy.name
            route = Route(
                self._loop, effect.proxy, self._seed, lambda toxic: self._tally(name, toxic)
            )
            self._routes[name] = route
            return route.listen
        if isinstance(effect, Stop):
            stopped = self._routes.pop(effect.name, None)
            if stopped is not None:
                stopped.close()
        elif isinstance(effect, Forget):
            for proxy, toxic in tuple(self._tallies):
                if proxy == effect.proxy and effect.toxic in ("", toxic):
                    del self._tallies[proxy, toxic]
        else:
            self._change(effect)
        return ""

    def _change(self, effect: Add | Update | Remove) -> None:
        """Change the chain of a proxy; one that is not enabled has none, and begins with the right one."""
        running = self._routes.get(effect.proxy)
        if running is None:
            return
        if isinstance(effect, Add):
            running.add(effect.toxic)
        elif isinstance(effect, Update):
            running.update(effect.toxic)
        else:
            running.remove(effect.toxic)

    def _metrics(self) -> str:
        return exposition(
            (name, self.world.proxies[name], route.traffic)
            for name, route in sorted(self._routes.items())
        )
