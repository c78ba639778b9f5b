"""The HTTP API of Toxiproxy 2.12, sans I/O: a request and the state in; an answer, the state after it, and effects out.

Everything is decided here except what only the system knows: whether a proxy can listen, and where. Statuses and fields
are Toxiproxy's; the texts of errors need not be.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from urllib.parse import unquote

import msgspec

from midpipe.faultinject.toxiproxy.access import Access
from midpipe.faultinject.toxiproxy.addresses import parse
from midpipe.faultinject.toxiproxy.api_state import DIRECTIONS, ApiState, ProxySpec, ToxicSpec
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
)
from midpipe.faultinject.toxiproxy.reading import (
    read_new_proxy,
    read_new_toxic,
    read_proxies,
    read_proxy,
    read_toxic_update,
)
from midpipe.faultinject.toxiproxy.wire_toxics import WIRE_TOXICS

VERSION = "2.12.0"
"""The Toxiproxy whose API this is; clients ask for it before they use a newer feature."""
_METRICS = "text/plain; version=0.0.4; charset=utf-8"

Fired = Callable[[str, str], tuple[int, str]]
"""Returns how often a wire toxic's fault has happened, by the names of its proxy and itself."""
Handler = Callable[[], Handling]


def handle(
    request: Request,
    state: ApiState,
    fired: Fired,
    *,
    access: Access,
    metrics: Callable[[], str] | None = None,
) -> Handling:
    """Answer a request.

    Args:
        metrics: returns the text of /metrics; None serves no /metrics.
    """
    return _Handler(request, state, fired, access, metrics).run()


def populate(state: ApiState, body: bytes, access: Access) -> Handling:
    """Create the proxies of a configuration file, as POST /populate does."""
    request = Request("POST", "/populate", {}, body)
    return _Handler(request, state, lambda *_: (0, ""), access, None).populate()


class _Handler:
    def __init__(
        self,
        request: Request,
        state: ApiState,
        fired: Fired,
        access: Access,
        metrics: Callable[[], str] | None,
    ) -> None:
        self._request = request
        self._state = state
        self._fired = fired
        self._access = access
        self._metrics = metrics

    def run(self) -> Handling:
        """Return the handling of the request, refused or not."""
        try:
            return (yield from self._handler()())
        except ApiError as error:
            return self._error(error)

    def _handler(self) -> Handler:
        """Return the handler of the request. Raises ApiError for one that is refused."""
        headers = self._request.headers
        host = headers.get("host", "")
        if not self._access.is_known_host(host):
            raise ApiError(
                f"host {host!r} is not allowed; start with --allow-host to allow it", 403
            )
        if not self._access.is_authorized(headers.get("authorization", "")):
            raise ApiError("missing or wrong token", 401)
        if headers.get("user-agent", "").startswith("Mozilla/"):
            raise ApiError("user agent not allowed", 403)
        routes = self._routes(self._request.path.partition("?")[0])
        if not routes:
            raise ApiError("page not found", 404)
        if self._request.method not in routes:
            raise ApiError("method not allowed", 405)
        return routes[self._request.method]

    def _routes(self, path: str) -> dict[str, Handler]:
        """Return a path's handlers, by method; none for an unknown path."""
        match [unquote(word) for word in path.split("/")[1:]]:
            case ["version"]:
                return {"GET": self._version}
            case ["reset"]:
                return {"POST": self._reset}
            case ["populate"]:
                return {"POST": self.populate}
            case ["metrics"] if self._metrics is not None:
                return {"GET": partial(self._show_metrics, self._metrics)}
            case ["proxies"]:
                return {"GET": self._proxies, "POST": self._create}
            case ["proxies", name] if name:
                update = partial(self._update, name)
                return {
                    "GET": partial(self._show, name),
                    "POST": update,
                    "PATCH": update,
                    "DELETE": partial(self._delete, name),
                }
            case ["proxies", name, "toxics"] if name:
                return {
                    "GET": partial(self._toxics, name),
                    "POST": partial(self._add_toxic, name),
                }
            case ["proxies", name, "toxics", toxic] if name and toxic:
                update = partial(self._update_toxic, name, toxic)
                return {
                    "GET": partial(self._show_toxic, name, toxic),
                    "POST": update,
                    "PATCH": update,
                    "DELETE": partial(self._remove_toxic, name, toxic),
                }
        return {}

    # --- proxies -------------------------------------------------------------------------------------

    def _proxies(self) -> Handling:
        yield from ()
        proxies = sorted(self._state.proxies.items())
        return self._json(200, {name: self._shown(proxy) for name, proxy in proxies})

    def _create(self) -> Handling:
        proxy = read_new_proxy(self._request.body)
        if proxy.name in self._state.proxies:
            raise ApiError("proxy already exists", 409)
        yield from self._put(proxy)
        return self._json(201, self._shown(self._proxy(proxy.name)))

    def _put(self, proxy: ProxySpec) -> Generator[Effect, str, None]:
        """Store a proxy, and start it if it is enabled."""
        if proxy.enabled:
            proxy = replace(proxy, listen=(yield from self._start(proxy)))
        self._state = self._state.with_proxy(proxy)

    def _start(self, proxy: ProxySpec) -> Generator[Effect, str, str]:
        """Have a proxy listen; return where."""
        listen = yield Resolve(proxy.listen)
        if not self._access.may_listen_on(parse(listen).host):
            raise ApiError(f"listening on {listen} lets other machines in; start with --token", 403)
        return (yield Start(replace(proxy, listen=listen)))

    def _show(self, name: str) -> Handling:
        yield from ()
        return self._json(200, self._shown(self._proxy(name)))

    def _update(self, name: str) -> Handling:
        proxy = self._proxy(name)
        wanted = read_proxy(self._request.body, proxy)
        if (yield Resolve(wanted.listen)) != proxy.listen or wanted.upstream != proxy.upstream:
            yield Stop(name)
            proxy = replace(proxy, listen=wanted.listen, upstream=wanted.upstream, enabled=False)
            self._state = self._state.with_proxy(proxy)
        if wanted.enabled and not proxy.enabled:
            yield from self._put(replace(proxy, enabled=True))
        elif proxy.enabled and not wanted.enabled:
            yield Stop(name)
            self._state = self._state.with_proxy(replace(proxy, enabled=False))
        return self._json(200, self._shown(self._proxy(name)))

    def _delete(self, name: str) -> Handling:
        self._proxy(name)
        yield Stop(name)
        yield Forget(name)
        self._state = self._state.without_proxy(name)
        return self._answer(204)

    def populate(self) -> Handling:
        """Create the proxies that do not exist or differ; keep the others."""
        created: list[str] = []
        error: ApiError | None = None
        try:
            for proxy in read_proxies(self._request.body):
                yield from self._replace(proxy)
                created.append(proxy.name)
        except ApiError as refused:
            error = refused
        shown: dict[str, object] = {
            "proxies": [self._shown(self._proxy(name)) for name in created] or None
        }
        if error is None:
            return self._json(201, shown)
        return self._json(error.status, {"error": error.message, "status": error.status, **shown})

    def _replace(self, proxy: ProxySpec) -> Generator[Effect, str, None]:
        known = self._state.proxies.get(proxy.name)
        if known is not None:
            if (yield Resolve(proxy.listen)) == known.listen and proxy.upstream == known.upstream:
                return
            yield Stop(proxy.name)
            self._state = self._state.with_proxy(replace(known, enabled=False))
        if proxy.enabled:
            proxy = replace(proxy, listen=(yield from self._start(proxy)))
        if known is not None:
            yield Forget(proxy.name)
        self._state = self._state.with_proxy(proxy)

    def _reset(self) -> Handling:
        for name, proxy in sorted(self._state.proxies.items()):
            if not proxy.enabled:
                yield from self._put(replace(proxy, enabled=True))
            for toxic in proxy.toxics:
                yield from self._take_off(name, toxic.name)
        return self._answer(204)

    # --- toxics --------------------------------------------------------------------------------------

    def _toxics(self, name: str) -> Handling:
        yield from ()
        return self._json(200, self._shown(self._proxy(name))["toxics"])

    def _add_toxic(self, name: str) -> Handling:
        proxy = self._proxy(name)
        toxic = read_new_toxic(self._request.body)
        if proxy.toxic(toxic.name) is not None:
            raise ApiError("toxic already exists", 409)
        return (yield from self._set_toxic(proxy, Add(name, toxic)))

    def _update_toxic(self, name: str, toxic_name: str) -> Handling:
        proxy = self._proxy(name)
        changed = read_toxic_update(self._request.body, self._toxic(proxy, toxic_name))
        return (yield from self._set_toxic(proxy, Update(name, changed)))

    def _set_toxic(self, proxy: ProxySpec, change: Add | Update) -> Handling:
        yield change
        self._state = self._state.with_proxy(proxy.with_toxic(change.toxic))
        return self._json(200, self._shown_toxic(proxy.name, change.toxic))

    def _show_toxic(self, name: str, toxic_name: str) -> Handling:
        yield from ()
        return self._json(200, self._shown_toxic(name, self._toxic(self._proxy(name), toxic_name)))

    def _remove_toxic(self, name: str, toxic_name: str) -> Handling:
        self._toxic(self._proxy(name), toxic_name)
        yield from self._take_off(name, toxic_name)
        return self._answer(204)

    def _take_off(self, name: str, toxic_name: str) -> Generator[Effect, str, None]:
        yield Remove(name, toxic_name)
        yield Forget(name, toxic_name)
        self._state = self._state.with_proxy(self._proxy(name).without_toxic(toxic_name))

    # --- answers -------------------------------------------------------------------------------------

    def _version(self) -> Handling:
        yield from ()
        return self._json(200, {"version": VERSION})

    def _show_metrics(self, metrics: Callable[[], str]) -> Handling:
        yield from ()
        return self._answer(200, metrics().encode(), _METRICS)

    def _proxy(self, name: str) -> ProxySpec:
        proxy = self._state.proxies.get(name)
        if proxy is None:
            raise ApiError("proxy not found", 404)
        return proxy

    def _toxic(self, proxy: ProxySpec, name: str) -> ToxicSpec:
        toxic = proxy.toxic(name)
        if toxic is None:
            raise ApiError("toxic not found", 404)
        return toxic

    def _shown(self, proxy: ProxySpec) -> dict[str, object]:
        return {
            "name": proxy.name,
            "listen": proxy.listen,
            "upstream": proxy.upstream,
            "enabled": proxy.enabled,
            # Toxiproxy shows its logger, and some clients check for exactly these fields.
            "Logger": {},
            "toxics": [
                self._shown_toxic(proxy.name, toxic)
                for direction in DIRECTIONS
                for toxic in proxy.chain(direction)
            ],
        }

    def _shown_toxic(self, proxy: str, toxic: ToxicSpec) -> dict[str, object]:
        seen: dict[str, object] = {}
        if toxic.type in WIRE_TOXICS:
            seen["fired"], seen["last_hit"] = self._fired(proxy, toxic.name)
        return {
            "attributes": dict(toxic.attributes),
            "name": toxic.name,
            "type": toxic.type,
            "stream": toxic.stream,
            "toxicity": toxic.toxicity,
            **seen,
        }

    def _error(self, error: ApiError) -> Answer:
        answer = self._json(error.status, {"error": error.message, "status": error.status})
        if error.status != 401:
            return answer
        return replace(answer, headers=(*answer.headers, ("WWW-Authenticate", "Bearer")))

    def _json(self, status: int, value: object) -> Answer:
        return self._answer(status, msgspec.json.encode(value) + b"\n", "application/json")

    def _answer(self, status: int, body: bytes = b"", content_type: str = "") -> Answer:
        headers = (("Content-Type", content_type),) if content_type else ()
        return Answer(status, self._state, body, headers)
