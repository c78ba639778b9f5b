"""Toxiproxy's HTTP API as a real one answers it: requests in order, and for each the status and the answer.

Recorded from a real 2.12. Where the system chooses a port, ``PORT`` stands for it. The pure handler, midpipe's server
and a real Toxiproxy are all held to this table: to the whole answer of a request that succeeds, and to the status and
the leading words of an error that a client may match on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

UPSTREAM = "127.0.0.1:7811"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer.

    Args:
        shown: the answer's JSON; None for an answer without a body.
        error: the leading words of the error; None for a request that succeeds, empty for any error.
    """

    method: str
    path: str
    body: str = ""
    status: int = 200
    shown: object = None
    error: str | None = None
    user_agent: str = "curl/7.88.1"

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body}"[:90]

    def differs(self, status: int, body: str) -> str:
        """Return in which way an answer differs from the recorded one; empty if it does not."""
        if status != self.status:
            return f"status {status} instead of {self.status}: {body}"
        if self.error == "" or (self.error is None and self.shown is None and not body):
            return ""
        shown = json.loads(_PORT.sub('"127.0.0.1:PORT"', body), parse_float=_single_precision)
        if self.error is None:
            return "" if shown == self.shown else f"{shown} instead of {self.shown}"
        found = shown.get("error", "")
        if not found.startswith(self.error) or shown.get("status") != status:
            return f"{shown} instead of the error {self.error!r}"
        return ""


_PORT = re.compile(rf'"127\.0\.0\.1:(?!{UPSTREAM.rpartition(":")[2]}")[1-9]\d*"')


def _single_precision(text: str) -> float:
    # A real Toxiproxy keeps toxicity in 32 bits.
    return float(f"{float(text):.6g}")


def proxy(
    name: str, listen: str, upstream: str = UPSTREAM, *, enabled: bool = True
) -> dict[str, object]:
    """Return a proxy without toxics, as it is shown."""
    return {
        "name": name,
        "listen": listen,
        "upstream": upstream,
        "enabled": enabled,
        "Logger": {},
        "toxics": [],
    }


def latency(
    latency: int, jitter: int, name: str, stream: str, toxicity: float
) -> dict[str, object]:
    """Return a latency toxic, as it is shown."""
    attributes = {"latency": latency, "jitter": jitter}
    return {
        "attributes": attributes,
        "name": name,
        "type": "latency",
        "stream": stream,
        "toxicity": toxicity,
    }


def _error(method: str, path: str, body: str, status: int, error: str = "") -> Exchange:
    return Exchange(method, path, body, status, error=error)


def _bad(method: str, path: str, body: str) -> Exchange:
    return _error(method, path, body, 400, "bad request body")


def _toxic(body: str, shown: object) -> Exchange:
    return Exchange("POST", "/proxies/r/toxics", body, 200, shown)


def _default(kind: str, **attributes: int) -> Exchange:
    shown = {
        "attributes": attributes,
        "name": f"{kind}_downstream",
        "type": kind,
        "stream": "downstream",
        "toxicity": 1,
    }
    return _toxic(f'{{"type":"{kind}"}}', shown)


_R = "127.0.0.1:PORT"
CONTRACT = (
    Exchange("GET", "/version", shown={"version": "2.12.0"}),
    Exchange("GET", "/proxies", shown={}),
    Exchange("GET", "/proxies", status=403, error="", user_agent="Mozilla/5.0"),
    _error("GET", "/", "", 404),
    _error("GET", "/nothing", "", 404),
    _error("GET", "/metrics", "", 404),
    _error("GET", "/proxies/", "", 404),
    _error("PUT", "/proxies", "", 405),
    _error("POST", "/version", "", 405),
    _error("GET", "/reset", "", 405),
    Exchange(
        "POST",
        "/proxies",
        f'{{"name":"r","listen":"127.0.0.1:0","upstream":"{UPSTREAM}"}}',
        201,
        proxy("r", _R),
    ),
    _error(
        "POST",
        "/proxies",
        f'{{"name":"r","upstream":"{UPSTREAM}","enabled":false}}',
        409,
        "proxy already exists",
    ),
    Exchange(
        "POST",
        "/proxies",
        '{"name":"off<&>","upstream":"q:1","enabled":false}\n',
        201,
        proxy("off<&>", "", "q:1", enabled=False),
    ),
    Exchange("DELETE", "/proxies/off%3C%26%3E", status=204),
    _error("POST", "/proxies", '{"name":""}', 400, "missing required field: name"),
    _error("POST", "/proxies", "null", 400, "missing required field: name"),
    _error("POST", "/proxies", '{"name":"a"}', 400, "missing required field: upstream"),
    _bad("POST", "/proxies", "xx"),
    _bad("POST", "/proxies", ""),
    _bad("POST", "/proxies", "{"),
    _bad("POST", "/proxies", "[1,]"),
    _bad("POST", "/proxies", '{"a":1 2}'),
    _bad("POST", "/proxies", '{"name" 5'),
    _bad("POST", "/proxies", "{5:1}"),
    _bad("POST", "/proxies", '{"name":tru}'),
    _bad("POST", "/proxies", '{"a":-x}'),
    _bad("POST", "/proxies", '{"a":1.x}'),
    _bad("POST", "/proxies", '{"a":"\\q"}'),
    _bad("POST", "/proxies", "[]"),
    _bad("POST", "/proxies", '{"name":5}'),
    _error("POST", "/proxies", '{"name":"bad","listen":"127.0.0.1:99999","upstream":"x:1"}', 500),
    _error("POST", "/proxies", '{"name":"bad","listen":"127.0.0.1","upstream":"x:1"}', 500),
    _error("GET", "/proxies/zz", "", 404, "proxy not found"),
    Exchange(
        "PATCH",
        "/proxies/r",
        '{"enabled":false,"name":"other"}',
        200,
        proxy("r", _R, enabled=False),
    ),
    Exchange("POST", "/proxies/r", '{"enabled":true}', 200, proxy("r", _R)),
    _error("PATCH", "/proxies/r", '{"listen":"bad"}', 500),
    _bad("PATCH", "/proxies/r", '{"enabled":"x"}'),
    _error("PUT", "/proxies/r", "", 405),
    _toxic(
        '{"type":"latency","attributes":{"latency":5}}',
        latency(5, 0, "latency_downstream", "downstream", 1),
    ),
    _error(
        "POST",
        "/proxies/r/toxics",
        '{"type":"latency","attributes":{"latency":5}}',
        409,
        "toxic already exists",
    ),
    _error("POST", "/proxies/r/toxics", '{"type":"zzz"}', 400, "invalid toxic type"),
    _error("POST", "/proxies/r/toxics", '{"type":"down"}', 400, "invalid toxic type"),
    _error(
        "POST", "/proxies/r/toxics", '{"type":"zzz","stream":"side"}', 400, "stream was invalid"
    ),
    _bad(
        "POST",
        "/proxies/r/toxics",
        '{"type":"latency","name":"up","attributes":{"latency":"x"}}',
    ),
    _bad(
        "POST",
        "/proxies/r/toxics",
        '{"type":"latency","name":"up","attributes":{"latency":1.5}}',
    ),
    _bad(
        "POST",
        "/proxies/r/toxics",
        '{"type":"latency","name":"up","attributes":{"latency":9223372036854775808}}',
    ),
    _bad("POST", "/proxies/r/toxics", '{"type":"noop","attributes":5}'),
    _bad("POST", "/proxies/r/toxics", '{"type":"latency","toxicity":"x"}'),
    _toxic(
        '{"type":"latency","name":"up","stream":"UPSTREAM","toxicity":5,"attributes":{"bogus":1}}',
        latency(0, 0, "up", "UPSTREAM", 5),
    ),
    _toxic(
        '{"type":"latency","name":"third","toxicity":0.33333333333}',
        latency(0, 0, "third", "downstream", 0.333333),
    ),
    _toxic(
        '{"type":"latency","name":"rare","toxicity":1e-7,"attributes":null}',
        latency(0, 0, "rare", "downstream", 1e-7),
    ),
    Exchange(
        "GET",
        "/proxies/r/toxics",
        shown=[
            latency(0, 0, "up", "UPSTREAM", 5),
            latency(5, 0, "latency_downstream", "downstream", 1),
            latency(0, 0, "third", "downstream", 0.333333),
            latency(0, 0, "rare", "downstream", 1e-7),
        ],
    ),
    _default("bandwidth", rate=0),
    _default("slow_close", delay=0),
    _default("timeout", timeout=0),
    _default("reset_peer", timeout=0),
    _default("slicer", average_size=0, size_variation=0, delay=0),
    _default("limit_data", bytes=0),
    _default("noop"),
    Exchange(
        "PATCH",
        "/proxies/r/toxics/latency_downstream",
        '{"attributes":{"jitter":2},"toxicity":0.3,"name":"q","stream":"upstream"}',
        200,
        latency(5, 2, "latency_downstream", "downstream", 0.3),
    ),
    Exchange(
        "POST",
        "/proxies/r/toxics/latency_downstream",
        "{}",
        200,
        latency(5, 2, "latency_downstream", "downstream", 0.3),
    ),
    _bad("PATCH", "/proxies/r/toxics/up", '{"toxicity":"x"}'),
    _bad("PATCH", "/proxies/r/toxics/up", '{"attributes":4}'),
    _bad("PATCH", "/proxies/r/toxics/up", ""),
    _error("PATCH", "/proxies/r/toxics/zzz", "{}", 404, "toxic not found"),
    Exchange("GET", "/proxies/r/toxics/up", shown=latency(0, 0, "up", "UPSTREAM", 5)),
    _error("GET", "/proxies/r/toxics/zz", "", 404, "toxic not found"),
    _error("PUT", "/proxies/r/toxics/up", "{}", 405),
    Exchange("DELETE", "/proxies/r/toxics/up", status=204),
    _error("DELETE", "/proxies/r/toxics/up", "", 404, "toxic not found"),
    _error("DELETE", "/proxies/zz/toxics/up", "", 404, "proxy not found"),
    Exchange(
        "POST",
        "/populate",
        f'[{{"name":"p1","listen":"127.0.0.1:0","upstream":"{UPSTREAM}"}},'
        '{"name":"p2","upstream":"q:1","enabled":false}]',
        201,
        {"proxies": [proxy("p1", _R), proxy("p2", "", "q:1", enabled=False)]},
    ),
    _error(
        "POST", "/populate", '[{"name":"p1"}]', 400, "missing required field: upstream at proxy 1"
    ),
    _bad("POST", "/populate", "{}"),
    _bad("POST", "/populate", '[{"name":5,"upstream":"x"}]'),
    Exchange("POST", "/populate", "null", 201, {"proxies": None}),
    _error(
        "POST",
        "/populate",
        '[{"name":"p9","listen":"127.0.0.1:0","upstream":"a:1"},'
        '{"name":"p8","listen":"127.0.0.1:99999","upstream":"a:1"}]',
        500,
    ),
    Exchange("GET", "/proxies/p9", shown=proxy("p9", _R, "a:1")),
    Exchange("DELETE", "/proxies/p2", status=204),
    Exchange("POST", "/reset", status=204),
    Exchange("GET", "/proxies/r", shown=proxy("r", _R)),
    Exchange("DELETE", "/proxies/r", status=204),
    _error("DELETE", "/proxies/r", "", 404, "proxy not found"),
)
