"""A client of any server that answers Toxiproxy's API, through the library toxiproxy-python.

The library keeps the address of its one server in a class attribute, has no time-out, and takes status 500 for success.
So each client loads its own copy of the library, sets a time-out, and checks that what it asked for exists.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.toxiproxy.api_state import DOWNSTREAM, Attribute
from midpipe.faultinject.vocabulary import Address

_WITHIN_S = 30.0
_THE_LIBRARY_RAISES = (400, 404, 409)


class ToxiproxyClient:
    """Drives one server. Close it with ``close``; the proxies that it has created stay.

    Args:
        api: where the server's HTTP API is.
        token: for a server that requires one.

    Raises:
        UsageError: the client library is not installed.
    """

    def __init__(self, api: Address, token: str = "") -> None:
        self.api = api
        self._name = f"toxiproxy_of_{id(self):x}"
        self._library = _copy_of_the_library(self._name)
        requests = importlib.import_module("requests")
        self._session = _checked_session(requests.Session(), token, requests.HTTPError)
        self._failures: tuple[type[Exception], ...] = (
            requests.RequestException,
            ValueError,
            KeyError,
        )
        consumer = sys.modules[f"{self._name}.api"]
        # The library calls requests.get and the like, which a session has as well. Only this copy is changed.
        vars(consumer)["requests"] = self._session
        self._errors = sys.modules[f"{self._name}.exceptions"]
        self._server = self._library.Toxiproxy()
        self._server.update_api_consumer(*str(api).rsplit(":", 1))
        self._consumer = vars(consumer)["APIConsumer"]

    def version(self) -> str:
        """Return the server's version. Raises ServerError."""
        with self._asking("for its version"):
            return str(self._consumer.get("/version").json()["version"])

    def create(self, name: str, upstream: str, listen: str = "127.0.0.1:0") -> str:
        """Create a proxy; return the address that it listens on. Raises ServerError."""
        with self._asking(f"for the proxy {name}"):
            return str(self._server.create(upstream=upstream, name=name, listen=listen).listen)

    def destroy(self, name: str) -> None:
        """Remove a proxy; does nothing if there is none. Raises ServerError."""
        with self._asking(f"to remove the proxy {name}"):
            proxy = self._server.get_proxy(name)
            if proxy is not None:
                proxy.destroy()

    def names(self) -> tuple[str, ...]:
        """Return the names of all proxies. Raises ServerError."""
        with self._asking("for its proxies"):
            return tuple(sorted(self._server.proxies()))

    def enable(self, name: str, *, enabled: bool) -> None:
        """Enable or disable a proxy. Raises ServerError."""
        with self._asking(f"to {'enable' if enabled else 'disable'} {name}"):
            proxy = self._proxy(name)
            (proxy.enable if enabled else proxy.disable)()
            if self._proxy(name).enabled != enabled:
                raise ServerError(f"The Toxiproxy at {self.api} left {name} as it was.")

    def is_up(self, name: str) -> bool:
        """Return whether a proxy is enabled. Raises ServerError."""
        with self._asking(f"whether {name} is enabled"):
            return bool(self._proxy(name).enabled)

    def add_toxic(
        self,
        proxy: str,
        kind: str,
        attributes: Mapping[str, Attribute],
        *,
        stream: str = DOWNSTREAM,
        toxicity: float = 1.0,
        name: str = "",
    ) -> str:
        """Add a toxic to a proxy; return the toxic's name. Raises ServerError."""
        name = name or f"{kind}_{stream}"
        with self._asking(f"for the toxic {name}"):
            found = self._proxy(proxy)
            found.add_toxic(
                type=kind, attributes=dict(attributes), stream=stream, toxicity=toxicity, name=name
            )
            if found.get_toxic(name) is None:
                raise ServerError(f"The Toxiproxy at {self.api} did not add the toxic {name}.")
        return name

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic from a proxy. Raises ServerError."""
        with self._asking(f"to remove the toxic {name}"):
            self._proxy(proxy).destroy_toxic(name)

    def toxics(self, proxy: str) -> Mapping[str, Mapping[str, Any]]:
        """Return a proxy's toxics as the server shows them, by name. Raises ServerError."""
        with self._asking(f"for the toxics of {proxy}"):
            shown = self._consumer.get(f"/proxies/{proxy}/toxics").json()
            return {toxic["name"]: toxic for toxic in shown}

    def reset(self) -> None:
        """Enable every proxy and remove every toxic. Raises ServerError."""
        with self._asking("to reset"):
            self._server.reset()

    def close(self) -> None:
        """Close the connection, and unload the copy of the library."""
        self._session.close()
        for name in [name for name in sys.modules if name.partition(".")[0] == self._name]:
            del sys.modules[name]

    def _proxy(self, name: str) -> Any:
        proxy = self._server.get_proxy(name)
        if proxy is None:
            raise ServerError(f"The Toxiproxy at {self.api} has no proxy {name!r}.")
        return proxy

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        errors = vars(self._errors)
        refusals = tuple(errors[name] for name in ("NotFound", "ProxyExists", "InvalidToxic"))
        try:
            yield
        except refusals as error:
            said = error.args[0] if error.args else ""
            text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
            raise ServerError(
                f"The Toxiproxy at {self.api} was asked {what} and refused: {text.strip()}"
            ) from error
        except self._failures as error:
            raise ServerError(
                f"The Toxiproxy at {self.api} was asked {what} and failed: {error}"
            ) from error


def _checked_session(session: Any, token: str, error: type[Exception]) -> Any:
    """Return a session with a time-out, which raises for the statuses that the library takes for success."""
    ask = session.request

    def request(*args: Any, **more: Any) -> Any:
        answer = ask(*args, **{"timeout": _WITHIN_S, **more})
        if answer.status_code >= 400 and answer.status_code not in _THE_LIBRARY_RAISES:
            raise error(f"{answer.status_code} {answer.text.strip()}")
        return answer

    session.request = request
    session.trust_env = False
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    return session


def _copy_of_the_library(name: str) -> ModuleType:
    """Load toxiproxy-python under another name, with classes of its own."""
    found = importlib.util.find_spec("toxiproxy")
    if found is None or found.origin is None:
        raise UsageError(
            "midpipe drives a Toxiproxy through the library toxiproxy-python, which is not installed: "
            "pip install 'midpipe[proxy]'"
        )
    spec = importlib.util.spec_from_file_location(
        name, found.origin, submodule_search_locations=list(found.submodule_search_locations or ())
    )
    assert spec is not None
    assert spec.loader is not None
    library = importlib.util.module_from_spec(spec)
    sys.modules[name] = library
    spec.loader.exec_module(library)
    return library
