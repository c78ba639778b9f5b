"""Toxiproxy's HTTP API as a real one answers it: requests in order, and for each the answer.

Facts, taken down from a real 2.12. Where a port was the system's to choose, ``PORT`` stands for it. The same table is
asked of midpipe's pure handler, of its server, and of a real Toxiproxy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
LATENCY = '{"attributes":{"latency":%d,"jitter":%d},"name":"%s","type":"latency","stream":"%s","toxicity":%s}'


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and what is answered: status, content type, body."""

    method: str
    path: str
    body: str
    status: int
    content_type: str
    answer: str
    user_agent: str = "curl/7.88.1"

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body}"[:90]


def proxy(name: str, listen: str, upstream: str = "127.0.0.1:7811", *, enabled: bool = True) -> str:
    """A proxy without toxics as it is shown."""
    shown = {
        "name": name,
        "listen": listen,
        "upstream": upstream,
        "enabled": enabled,
        "Logger": {},
        "toxics": [],
    }
    return json.dumps(shown, separators=(",", ":"))


def error(message: str, status: int) -> str:
    """An error's body."""
    return json.dumps({"error": message, "status": status}, separators=(",", ":")) + "\n"


def _bad(method: str, path: str, body: str, message: str) -> Exchange:
    return Exchange(method, path, body, 400, TEXT, error(message, 400))


def _toxic(body: str, answer: str) -> Exchange:
    return Exchange("POST", "/proxies/r/toxics", body, 200, JSON, answer)


def _default(kind: str, attributes: str) -> Exchange:
    return _toxic(
        f'{{"type":"{kind}"}}',
        f'{{"attributes":{attributes},"name":"{kind}_downstream","type":"{kind}","stream":"downstream","toxicity":1}}',
    )


def _unmarshal(seen: str, field: str, go_type: str) -> str:
    return f"bad request body: json: cannot unmarshal {seen} into Go struct field {field} of type {go_type}"


_VALUE = "looking for beginning of value"
_LISTEN = "127.0.0.1:0"
CONTRACT = (
    Exchange(
        "GET", "/version", "", 200, "application/json;charset=utf-8", '{"version": "2.12.0"}\n'
    ),
    Exchange("GET", "/proxies", "", 200, JSON, "{}"),
    Exchange("GET", "/proxies", "", 403, TEXT, "User agent not allowed\n", "Mozilla/5.0"),
    Exchange("GET", "/", "", 404, TEXT, "404 page not found\n"),
    Exchange("GET", "/nothing", "", 404, TEXT, "404 page not found\n"),
    Exchange("GET", "/metrics", "", 404, TEXT, "404 page not found\n"),
    Exchange("GET", "/proxies/", "", 404, TEXT, "404 page not found\n"),
    Exchange("PUT", "/proxies", "", 405, "", ""),
    Exchange("POST", "/version", "", 405, "", ""),
    Exchange("GET", "/reset", "", 405, "", ""),
    Exchange("GET", "//proxies", "", 301, "", ""),
    Exchange(
        "POST",
        "/proxies",
        '{"name":"r","listen":"127.0.0.1:0","upstream":"127.0.0.1:7811"}',
        201,
        JSON,
        proxy("r", "127.0.0.1:PORT"),
    ),
    Exchange(
        "POST",
        "/proxies",
        '{"name":"r","upstream":"127.0.0.1:7811","enabled":false}',
        409,
        TEXT,
        error("proxy already exists", 409),
    ),
    Exchange(
        "POST",
        "/proxies",
        '{"NAME":"off<&>","Upstream":"q:1","enabled":false} what follows is left alone',
        201,
        JSON,
        proxy("off\\u003c\\u0026\\u003e", "", "q:1", enabled=False).replace("\\\\u", "\\u"),
    ),
    Exchange("DELETE", "/proxies/off%3C%26%3E", "", 204, "", ""),
    _bad("POST", "/proxies", '{"name":""}', "missing required field: name"),
    _bad("POST", "/proxies", "null", "missing required field: name"),
    _bad("POST", "/proxies", '{"name":"a"}', "missing required field: upstream"),
    _bad("POST", "/proxies", "xx", f"bad request body: invalid character 'x' {_VALUE}"),
    _bad("POST", "/proxies", "", "bad request body: EOF"),
    _bad("POST", "/proxies", "{", "bad request body: unexpected EOF"),
    _bad("POST", "/proxies", "[1,]", f"bad request body: invalid character ']' {_VALUE}"),
    _bad(
        "POST",
        "/proxies",
        '{"a":1 2}',
        "bad request body: invalid character '2' after object key:value pair",
    ),
    _bad(
        "POST", "/proxies", '{"name" 5', "bad request body: invalid character '5' after object key"
    ),
    _bad(
        "POST",
        "/proxies",
        "{5:1}",
        "bad request body: invalid character '5' looking for beginning of object key string",
    ),
    _bad(
        "POST",
        "/proxies",
        '{"name":tru}',
        "bad request body: invalid character '}' in literal true (expecting 'e')",
    ),
    _bad(
        "POST", "/proxies", '{"a":-x}', "bad request body: invalid character 'x' in numeric literal"
    ),
    _bad(
        "POST",
        "/proxies",
        '{"a":1.x}',
        "bad request body: invalid character 'x' after decimal point in numeric literal",
    ),
    _bad(
        "POST",
        "/proxies",
        '{"a":"\\q"}',
        "bad request body: invalid character 'q' in string escape code",
    ),
    _bad(
        "POST",
        "/proxies",
        "[]",
        "bad request body: json: cannot unmarshal array into Go value of type toxiproxy.Proxy",
    ),
    _bad("POST", "/proxies", '{"name":5}', _unmarshal("number", "Proxy.name", "string")),
    Exchange(
        "POST",
        "/proxies",
        '{"name":"bad","listen":"1.2.3.4:99","upstream":"x:1"}',
        500,
        TEXT,
        error("listen tcp 1.2.3.4:99: bind: cannot assign requested address", 500),
    ),
    Exchange(
        "POST",
        "/proxies",
        '{"name":"bad","listen":"127.0.0.1","upstream":"x:1"}',
        500,
        TEXT,
        error("listen tcp: address 127.0.0.1: missing port in address", 500),
    ),
    Exchange("GET", "/proxies/zz", "", 404, TEXT, error("proxy not found", 404)),
    Exchange(
        "PATCH",
        "/proxies/r",
        '{"enabled":false,"name":"other"}',
        200,
        JSON,
        proxy("r", "127.0.0.1:PORT", enabled=False),
    ),
    Exchange("POST", "/proxies/r", '{"enabled":true}', 200, JSON, proxy("r", "127.0.0.1:PORT")),
    Exchange(
        "PATCH",
        "/proxies/r",
        '{"listen":"bad"}',
        500,
        TEXT,
        error("address bad: missing port in address", 500),
    ),
    _bad("PATCH", "/proxies/r", '{"enabled":"x"}', _unmarshal("string", "Proxy.enabled", "bool")),
    Exchange("PUT", "/proxies/r", "", 405, "", ""),
    _toxic(
        '{"type":"latency","attributes":{"latency":5}}',
        LATENCY % (5, 0, "latency_downstream", "downstream", "1"),
    ),
    Exchange(
        "POST",
        "/proxies/r/toxics",
        '{"type":"latency","attributes":{"latency":5}}',
        409,
        TEXT,
        error("toxic already exists", 409),
    ),
    _bad("POST", "/proxies/r/toxics", '{"type":"zzz"}', "invalid toxic type"),
    _bad("POST", "/proxies/r/toxics", '{"type":"down"}', "invalid toxic type"),
    _bad(
        "POST",
        "/proxies/r/toxics",
        '{"type":"zzz","stream":"side"}',
        "stream was invalid, can be either upstream or downstream",
    ),
    _bad(
        "POST",
        "/proxies/r/toxics",
        '{"type":"latency","name":"up","attributes":{"latency":"x"}}',
        _unmarshal("string", "LatencyToxic.attributes.latency", "int64"),
    ),
    _bad(
        "POST",
        "/proxies/r/toxics",
        '{"type":"latency","name":"up","attributes":{"latency":1.5}}',
        _unmarshal("number 1.5", "LatencyToxic.attributes.latency", "int64"),
    ),
    _bad(
        "POST",
        "/proxies/r/toxics",
        '{"type":"slicer","name":"sl","attributes":{"average_size":"x"}}',
        _unmarshal("string", "SlicerToxic.attributes.average_size", "int"),
    ),
    _bad(
        "POST",
        "/proxies/r/toxics",
        '{"type":"noop","attributes":5}',
        _unmarshal("number", "ToxicWrapper.attributes", "toxics.NoopToxic"),
    ),
    _bad(
        "POST",
        "/proxies/r/toxics",
        '{"type":"latency","toxicity":"x"}',
        _unmarshal("string", "ToxicWrapper.toxicity", "float32"),
    ),
    _toxic(
        '{"type":"latency","name":"up","stream":"UPSTREAM","toxicity":5,"attributes":{"bogus":1}}',
        LATENCY % (0, 0, "up", "UPSTREAM", "5"),
    ),
    _toxic(
        '{"type":"latency","name":"third","toxicity":0.33333333333}',
        LATENCY % (0, 0, "third", "downstream", "0.33333334"),
    ),
    _toxic(
        '{"type":"latency","name":"rare","toxicity":1e-7,"attributes":null}',
        LATENCY % (0, 0, "rare", "downstream", "1e-7"),
    ),
    Exchange(
        "GET",
        "/proxies/r/toxics",
        "",
        200,
        JSON,
        "["
        + ",".join(
            (
                LATENCY % (0, 0, "up", "UPSTREAM", "5"),
                LATENCY % (5, 0, "latency_downstream", "downstream", "1"),
                LATENCY % (0, 0, "third", "downstream", "0.33333334"),
                LATENCY % (0, 0, "rare", "downstream", "1e-7"),
            )
        )
        + "]",
    ),
    _default("bandwidth", '{"rate":0}'),
    _default("slow_close", '{"delay":0}'),
    _default("timeout", '{"timeout":0}'),
    _default("reset_peer", '{"timeout":0}'),
    _default("slicer", '{"average_size":0,"size_variation":0,"delay":0}'),
    _default("limit_data", '{"bytes":0}'),
    _default("noop", "{}"),
    Exchange(
        "PATCH",
        "/proxies/r/toxics/latency_downstream",
        '{"attributes":{"jitter":2},"toxicity":0.3,"name":"q","stream":"upstream"}',
        200,
        JSON,
        LATENCY % (5, 2, "latency_downstream", "downstream", "0.3"),
    ),
    Exchange(
        "POST",
        "/proxies/r/toxics/latency_downstream",
        "{}",
        200,
        JSON,
        LATENCY % (5, 2, "latency_downstream", "downstream", "0.3"),
    ),
    _bad(
        "PATCH",
        "/proxies/r/toxics/up",
        '{"toxicity":"x"}',
        _unmarshal("string", ".toxicity", "float32"),
    ),
    _bad(
        "PATCH",
        "/proxies/r/toxics/up",
        '{"attributes":4}',
        _unmarshal("number", ".attributes", "toxics.LatencyToxic"),
    ),
    _bad("PATCH", "/proxies/r/toxics/up", "", "bad request body: EOF"),
    Exchange("PATCH", "/proxies/r/toxics/zzz", "{}", 404, TEXT, error("toxic not found", 404)),
    Exchange("GET", "/proxies/r/toxics/up", "", 200, JSON, LATENCY % (0, 0, "up", "UPSTREAM", "5")),
    Exchange("GET", "/proxies/r/toxics/zz", "", 404, TEXT, error("toxic not found", 404)),
    Exchange("PUT", "/proxies/r/toxics/up", "{}", 405, "", ""),
    Exchange("DELETE", "/proxies/r/toxics/up", "", 204, "", ""),
    Exchange("DELETE", "/proxies/r/toxics/up", "", 404, TEXT, error("toxic not found", 404)),
    Exchange("DELETE", "/proxies/zz/toxics/up", "", 404, TEXT, error("proxy not found", 404)),
    Exchange(
        "POST",
        "/populate",
        '[{"name":"p1","listen":"127.0.0.1:0","upstream":"127.0.0.1:7811"},'
        '{"name":"p2","upstream":"q:1","enabled":false}]',
        201,
        JSON,
        '{"proxies":['
        + proxy("p1", "127.0.0.1:PORT")
        + ","
        + proxy("p2", "", "q:1", enabled=False)
        + "]}",
    ),
    Exchange(
        "POST",
        "/populate",
        '[{"name":"p1"}]',
        400,
        JSON,
        '{"error":"missing required field: upstream at proxy 1","status":400,"proxies":null}',
    ),
    Exchange(
        "POST",
        "/populate",
        "{}",
        400,
        JSON,
        '{"error":"bad request body: json: cannot unmarshal object into Go value of type []struct { '
        'toxiproxy.Proxy; Enabled *bool \\"json:\\\\\\"enabled\\\\\\"\\" }","status":400,"proxies":null}',
    ),
    Exchange(
        "POST",
        "/populate",
        '[{"name":5,"upstream":"x"}]',
        400,
        JSON,
        '{"error":"'
        + _unmarshal("number", ".Proxy.name", "string")
        + '","status":400,"proxies":null}',
    ),
    Exchange("POST", "/populate", "null", 201, JSON, '{"proxies":null}'),
    Exchange(
        "POST",
        "/populate",
        '[{"name":"p9","listen":"127.0.0.1:0","upstream":"a:1"},'
        '{"name":"p8","listen":"1.2.3.4:5","upstream":"a:1"}]',
        500,
        JSON,
        '{"error":"listen tcp 1.2.3.4:5: bind: cannot assign requested address","status":500,"proxies":['
        + proxy("p9", "127.0.0.1:PORT", "a:1")
        + "]}",
    ),
    Exchange("DELETE", "/proxies/p2", "", 204, "", ""),
    Exchange("POST", "/reset", "", 204, "", ""),
    Exchange("GET", "/proxies/r", "", 200, JSON, proxy("r", "127.0.0.1:PORT")),
    Exchange("DELETE", "/proxies/r", "", 204, "", ""),
    Exchange("DELETE", "/proxies/r", "", 404, TEXT, error("proxy not found", 404)),
)
