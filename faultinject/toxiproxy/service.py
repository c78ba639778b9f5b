"""midpipe's fault proxy: the API's state, and the routes that carry it out, on one loop. Knows no HTTP server."""

from __future__ import annotations

import json
from pathlib import Path

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.placement import Tally
from midpipe.faultinject.toxiproxy.access import Access
from midpipe.faultinject.toxiproxy.addresses import AddressError, resolved
from midpipe.faultinject.toxiproxy.api import handle, populate
from midpipe.faultinject.toxiproxy.api_state import ApiState
from midpipe.faultinject.toxiproxy.exchange import (
    Add,
    Answer,
    ApiError,
    Effect,
    Forget,
    Handling,
    Remove,
    Request,
    Resolve,
    Start,
    Stop,
    Update,
    run_handler,
)
from midpipe.faultinject.toxiproxy.metrics import exposition
from midpipe.faultinject.toxiproxy.route import Route


class FaultProxy:
    """A proxy that answers Toxiproxy's API. Close it with ``close``.

    Attributes:
        state: the proxies and their toxics.

    Args:
        access: who may use the API.
        seed: of all random numbers.
        serves_metrics: whether /metrics is answered.
    """

    def __init__(
        self,
        loop: Loop,
        access: Access | None = None,
        *,
        seed: int = 0,
        serves_metrics: bool = False,
    ) -> None:
        self._loop = loop
        self._access = access or Access()
        self._seed = seed
        self._serves_metrics = serves_metrics
        self._routes: dict[str, Route] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}
        self.state = ApiState()

    def answer(self, request: Request) -> Answer:
        """Answer a request, and carry out its effects."""
        return self._run(
            handle(
                request,
                self.state,
                self._fired,
                access=self._access,
                metrics=self._metrics if self._serves_metrics else None,
            )
        )

    def populate(self, config: Path) -> None:
        """Create the proxies of a configuration file: a JSON array, as for POST /populate. Raises UsageError."""
        try:
            body = config.read_bytes()
        except OSError as error:
            raise UsageError(f"{config} can't be read: {error.strerror or error}.") from error
        answer = self._run(populate(self.state, body, self._access))
        if answer.status != 201:
            raise UsageError(f"{config} can't be used: {json.loads(answer.body)['error']}.")

    def close(self) -> None:
        """Close every proxy and its connections."""
        for route in self._routes.values():
            route.close()
        self._routes.clear()

    def _fired(self, proxy: str, toxic: str) -> tuple[int, str]:
        tally = self._tallies.get((proxy, toxic), Tally())
        return tally.fired, tally.last_hit

    def _tally(self, proxy: str, toxic: str) -> Tally:
        return self._tallies.setdefault((proxy, toxic), Tally())

    def _run(self, handling: Handling) -> Answer:
        answer = run_handler(handling, self._carry_out)
        self.state = answer.state
        return answer

    def _carry_out(self, effect: Effect) -> str:
        """Carry out an effect and return its outcome. Raises ApiError."""
        try:
            if isinstance(effect, Resolve):
                return resolved(effect.listen)
            if isinstance(effect, Start):
                return self._start(effect)
        except AddressError as error:
            raise ApiError(str(error), 500) from error
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

    def _start(self, effect: Start) -> str:
        name = effect.proxy.name
        route = Route(self._loop, effect.proxy, self._seed, lambda toxic: self._tally(name, toxic))
        self._routes[name] = route
        return route.listen

    def _change(self, effect: Add | Update | Remove) -> None:
        """Change the chain of a proxy; a disabled proxy has none, and starts with all of its toxics."""
        route = self._routes.get(effect.proxy)
        if route is None:
            return
        if isinstance(effect, Add):
            route.add(effect.toxic)
        elif isinstance(effect, Update):
            route.update(effect.toxic)
        else:
            route.remove(effect.toxic)

    def _metrics(self) -> str:
        return exposition(
            (name, self.state.proxies[name], route.traffic)
            for name, route in sorted(self._routes.items())
        )
