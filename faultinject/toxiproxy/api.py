"""The HTTP API of Toxiproxy 2.12, sans I/O: a request and the world in; an answer, the world after it, and effects out.

Everything is decided here but what the system has to say: whether a proxy can listen, and where. Knows no socket.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from posixpath import normpath
from urllib.parse import unquote

from midpipe.faultinject.toxiproxy.api_state import DIRECTIONS, ApiState, ProxySpec, ToxicSpec
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
)
from midpipe.faultinject.toxiproxy.go_json import encode
from midpipe.faultinject.toxiproxy.reading import (
    ApiError,
    read_new_proxy,
    read_new_toxic,
    read_proxies,
    read_proxy,
    updated_toxic,
    with_attributes,
)
from midpipe.faultinject.toxiproxy.wire_toxics import WIRE_TOXICS

VERSION = "2.12.0"
"""The Toxiproxy whose API this is; clients ask before they use a newer feature."""
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"


Fired = Callable[[str, str], int]
"""How often a wire toxic has happened, by its proxy's name and its own."""


def handle(
    request: Request,
    world: ApiState,
    fired: Fired,
    *,
    token: str = "",
    metrics: Callable[[], str] | None = None,
) -> Handling:
    """Answer a request.

    Args:
        token: what must be borne, if anything.
        metrics: the text of /metrics; None if it is not served.
    """
    return _Handler(request, world, fired, metrics).run(token)


def populate(world: ApiState, body: bytes) -> Handling:
    """Make the proxies of a configuration file, as POST /populate does."""
    return _Handler(Request("POST", "/populate", {}, body), world, lambda *_: 0, None).populate()


class _Handler:
    def __init__(
        self,
        request: Request,
        world: ApiState,
        fired: Fired,
        metrics: Callable[[], str] | None,
    ) -> None:
        self._request = request
        self._world = world
        self._fired = fired
        self._metrics = metrics

    def run(self, token: str) -> Handling:
        request = self._request
        path, mark, query = request.path.partition("?")
        if (clean := _cleaned(path)) != path:
            moved = replace(self._answer(301), is_handled=False)
            return replace(moved, headers=(("Location", clean + mark + query),))
        handler, allowed = self._routed(path)
        if handler is None:
            if allowed:
                return self._plain(405, "", is_handled=False)
            return self._plain(404, "404 page not found", is_handled=False)
        if token and not _bears(request.headers.get("authorization", ""), token):
            return self._error(ApiError("missing or wrong token", 401))
        if request.headers.get("user-agent", "").startswith("Mozilla/"):
            return self._plain(403, "User agent not allowed")
        try:
            return (yield from handler())
        except ApiError as error:
            return self._error(error)
        except EffectFailedError as error:
            return self._error(ApiError(str(error), 500))

    def _routed(self, path: str) -> tuple[Callable[[], Handling] | None, tuple[str, ...]]:
        """Return the handler, or None and the methods that the path would take."""
        words = [unquote(word) for word in path.split("/")[1:]]
        routes: dict[str, Callable[[], Handling]] = {}
        match words:
            case ["version"]:
                routes = {"GET": self._version}
            case ["reset"]:
                routes = {"POST": self._reset}
            case ["populate"]:
                routes = {"POST": self.populate}
            case ["metrics"] if self._metrics is not None:
                routes = {self._request.method: self._show_metrics}
            case ["proxies"]:
                routes = {"GET": self._proxies, "POST": self._create}
            case ["proxies", name] if name:
                update = partial(self._update, name)
                routes = {"GET": lambda: self._show(name), "POST": update, "PATCH": update}
                routes["DELETE"] = lambda: self._delete(name)
            case ["proxies", name, "toxics"] if name:
                routes = {
                    "GET": lambda: self._toxics(name),
                    "POST": lambda: self._add_toxic(name),
                }
            case ["proxies", name, "toxics", toxic] if name and toxic:
                update = partial(self._update_toxic, name, toxic)
                routes = {
                    "GET": lambda: self._show_toxic(name, toxic),
                    "POST": update,
                    "PATCH": update,
                    "DELETE": lambda: self._remove_toxic(name, toxic),
                }
        return routes.get(self._request.method), tuple(routes)

    # --- proxies -------------------------------------------------------------------------------------

    def _proxies(self) -> Handling:
        yield from ()
        shown = {name: self._shown(proxy) for name, proxy in sorted(self._world.proxies.items())}
        return self._json(200, shown)

    def _create(self) -> Handling:
        proxy = read_new_proxy(self._request.body)
        if proxy.name in self._world.proxies:
            raise ApiError("proxy already exists", 409)
        yield from self._put(proxy)
        return self._json(201, self._shown(self._world.proxies[proxy.name]))

    def _put(self, proxy: ProxySpec) -> Generator[Effect, str, None]:
        if proxy.enabled:
            proxy = replace(proxy, listen=(yield Start(proxy)))
        self._world = self._world.with_proxy(proxy)

    def _show(self, name: str) -> Handling:
        yield from ()
        return self._json(200, self._shown(self._proxy(name)))

    def _update(self, name: str) -> Handling:
        proxy = self._proxy(name)
        wanted = read_proxy(self._request.body, proxy)
        if (yield Resolve(wanted.listen)) != proxy.listen or wanted.upstream != proxy.upstream:
            yield Stop(name)
            proxy = replace(proxy, listen=wanted.listen, upstream=wanted.upstream, enabled=False)
            self._world = self._world.with_proxy(proxy)
        if wanted.enabled and not proxy.enabled:
            yield from self._put(replace(proxy, enabled=True))
        elif proxy.enabled and not wanted.enabled:
            yield Stop(name)
            self._world = self._world.with_proxy(replace(proxy, enabled=False))
        return self._json(200, self._shown(self._proxy(name)))

    def _delete(self, name: str) -> Handling:
        self._proxy(name)
        yield Stop(name)
        yield Forget(name)
        self._world = self._world.without_proxy(name)
        return self._answer(204)

    def populate(self) -> Handling:
        """Make those proxies that are not there, or differ; keep the others."""
        made: list[str] | None = None
        invalid_reason: ApiError | None = None
        try:
            wanted = read_proxies(self._request.body)
            made = [] if wanted else None
            for proxy in wanted:
                yield from self._replace(proxy)
                if made is not None:
                    made.append(proxy.name)
        except ApiError as error:
            invalid_reason = error
        except EffectFailedError as error:
            invalid_reason = ApiError(str(error), 500)
        shown: dict[str, object] = {}
        if invalid_reason is not None:
            shown = {"error": invalid_reason.message, "status": invalid_reason.status}
        proxies = [self._shown(self._proxy(name)) for name in made or ()] or None
        return self._json(
            invalid_reason.status if invalid_reason else 201, {**shown, "proxies": proxies}
        )

    def _replace(self, proxy: ProxySpec) -> Generator[Effect, str, None]:
        known = self._world.proxies.get(proxy.name)
        if known is not None:
            if (yield Resolve(proxy.listen)) == known.listen and proxy.upstream == known.upstream:
                return
            yield Stop(proxy.name)
            self._world = self._world.with_proxy(replace(known, enabled=False))
        if proxy.enabled:
            proxy = replace(proxy, listen=(yield Start(proxy)))
        if known is not None:
            yield Forget(proxy.name)
        self._world = self._world.with_proxy(proxy)

    def _reset(self) -> Handling:
        for name, proxy in sorted(self._world.proxies.items()):
            if not proxy.enabled:
                yield from self._put(replace(proxy, enabled=True))
            for toxic in proxy.toxics:
                yield from self._take_out(name, toxic.name)
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
        return (
            yield from self._set_toxic(proxy, Add(name, with_attributes(toxic, self._request.body)))
        )

    def _update_toxic(self, name: str, toxic_name: str) -> Handling:
        proxy = self._proxy(name)
        changed = updated_toxic(self._toxic(proxy, toxic_name), self._request.body)
        return (yield from self._set_toxic(proxy, Update(name, changed)))

    def _set_toxic(self, proxy: ProxySpec, change: Add | Update) -> Handling:
        yield change
        self._world = self._world.with_proxy(proxy.with_toxic(change.toxic))
        return self._json(200, self._shown_toxic(proxy.name, change.toxic))

    def _show_toxic(self, name: str, toxic_name: str) -> Handling:
        yield from ()
        return self._json(200, self._shown_toxic(name, self._toxic(self._proxy(name), toxic_name)))

    def _remove_toxic(self, name: str, toxic_name: str) -> Handling:
        self._toxic(self._proxy(name), toxic_name)
        yield from self._take_out(name, toxic_name)
        return self._answer(204)

    def _take_out(self, name: str, toxic_name: str) -> Generator[Effect, str, None]:
        yield Remove(name, toxic_name)
        yield Forget(name, toxic_name)
        self._world = self._world.with_proxy(self._proxy(name).without_toxic(toxic_name))

    # --- the rest ------------------------------------------------------------------------------------

    def _version(self) -> Handling:
        yield from ()
        body = f'{{"version": "{VERSION}"}}\n'.encode()
        return self._answer(200, "application/json;charset=utf-8", body)

    def _show_metrics(self) -> Handling:
        yield from ()
        text = self._metrics() if self._metrics is not None else ""
        return self._answer(200, "text/plain; version=0.0.4; charset=utf-8", text.encode())

    def _proxy(self, name: str) -> ProxySpec:
        proxy = self._world.proxies.get(name)
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
            # The original shows its logger; some clients check for exactly these keys.
            "Logger": {},
            "toxics": [
                self._shown_toxic(proxy.name, toxic)
                for direction in DIRECTIONS
                for toxic in proxy.chain(direction)
            ],
        }

    def _shown_toxic(self, proxy: str, toxic: ToxicSpec) -> dict[str, object]:
        fired = {"fired": self._fired(proxy, toxic.name)} if toxic.type in WIRE_TOXICS else {}
        return {
            "attributes": dict(toxic.attributes),
            "name": toxic.name,
            "type": toxic.type,
            "stream": toxic.stream,
            "toxicity": toxic.toxicity,
            **fired,
        }

    def _json(self, status: int, value: object) -> Answer:
        return self._answer(status, _JSON, encode(value).encode())

    def _error(self, error: ApiError) -> Answer:
        text = encode({"error": error.message, "status": error.status})
        answer = self._plain(error.status, text)
        if error.status != 401:
            return answer
        return replace(answer, headers=(*answer.headers, ("WWW-Authenticate", "Bearer")))

    def _plain(self, status: int, text: str, *, is_handled: bool = True) -> Answer:
        if not text:
            return replace(self._answer(status), is_handled=is_handled)
        answer = self._answer(status, _TEXT, f"{text}\n".encode())
        headers = (*answer.headers, ("X-Content-Type-Options", "nosniff"))
        return replace(answer, headers=headers, is_handled=is_handled)

    def _answer(self, status: int, content_type: str = "", body: bytes = b"") -> Answer:
        headers = (("Content-Type", content_type),) if content_type else ()
        return Answer(status, headers, body, self._world)


def _cleaned(path: str) -> str:
    """Return a path without empty words and dots, as Go's router redirects to it."""
    clean = normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _bears(header: str, token: str) -> bool:
    scheme, _, given = header.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode(), token.encode()
    )
