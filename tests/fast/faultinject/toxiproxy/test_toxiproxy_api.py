"""Toxiproxy's API without a socket: the pure handler answers as a real Toxiproxy does, request by request."""

from __future__ import annotations

import json
import re

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.toxiproxy.access import Access
from midpipe.faultinject.toxiproxy.addresses import AddressError, parse, resolved
from midpipe.faultinject.toxiproxy.api import handle
from midpipe.faultinject.toxiproxy.api_state import ApiState
from midpipe.faultinject.toxiproxy.exchange import (
    Answer,
    ApiError,
    Effect,
    Request,
    Resolve,
    Start,
    Stop,
    run_handler,
)
from tests.fast.faultinject.toxiproxy.toxiproxy_contract import CONTRACT


class FakeSystem:
    """A system on which every address can be listened on; hands out ports from 20001 on."""

    def __init__(self, access: Access | None = None) -> None:
        self.effects: list[Effect] = []
        self.state = ApiState()
        self._access = access or Access()
        self._port = 20000

    def ask(self, request: Request) -> Answer:
        handling = handle(
            request, self.state, lambda proxy, toxic: (7, "EXEC"), access=self._access
        )
        answer = run_handler(handling, self._carry_out)
        self.state = answer.state
        return answer

    def post(self, path: str, body: object, **headers: str) -> Answer:
        return self.ask(Request("POST", path, headers, json.dumps(body).encode()))

    def _carry_out(self, effect: Effect) -> str:
        self.effects.append(effect)
        try:
            if isinstance(effect, Resolve):
                return resolved(effect.listen)
            if isinstance(effect, Start):
                endpoint = parse(effect.proxy.listen)
                self._port += 1
                return f"{endpoint.host or '127.0.0.1'}:{endpoint.port or self._port}"
        except AddressError as error:
            raise ApiError(str(error), 500) from error
        return ""


def error_of(answer: Answer) -> str:
    shown = json.loads(answer.body)
    assert shown["status"] == answer.status
    return str(shown["error"])


def test_every_request_is_answered_as_a_real_toxiproxy_answers_it() -> None:
    system = FakeSystem()
    differing = {}
    for exchange in CONTRACT:
        headers = {"user-agent": exchange.user_agent}
        request = Request(exchange.method, exchange.path, headers, exchange.body.encode())
        answer = system.ask(request)
        if difference := exchange.differs(answer.status, answer.body.decode()):
            differing[str(exchange)] = difference
    assert differing == {}


def test_every_endpoint_stands_in_the_contract() -> None:
    asked_for = {re.sub(r"/(r|zz|p\d|off[^/]*)(?=/|$)", "/P", e.path) for e in CONTRACT}
    assert asked_for >= {"/proxies/P", "/proxies/P/toxics", "/populate", "/reset", "/version"}


def test_an_update_that_is_refused_changes_nothing() -> None:
    system = FakeSystem()
    system.post("/proxies", {"name": "r", "upstream": "x:1"})
    system.post("/proxies/r/toxics", {"type": "latency"})
    before = system.state
    attributes = {"latency": 7, "jitter": "x"}
    refused = system.post("/proxies/r/toxics/latency_downstream", {"attributes": attributes})
    assert (refused.status, system.state) == (400, before)


def test_a_new_upstream_restarts_the_proxy_and_keeps_its_toxics() -> None:
    system = FakeSystem()
    system.post("/proxies", {"name": "r", "upstream": "x:1"})
    system.post("/proxies/r/toxics", {"type": "noop"})
    system.effects.clear()
    system.post("/proxies/r", {"upstream": "x:2"})
    proxy = system.state.proxies["r"]
    assert [type(effect) for effect in system.effects] == [Resolve, Stop, Resolve, Start]
    assert (proxy.upstream, proxy.enabled, len(proxy.toxics)) == ("x:2", True, 1)


@pytest.mark.parametrize(
    "body",
    [b'{"x":' + b"[" * 100_000, b'{"name":"\xff"}', b'{"name":"\\ud800"}', b"\x00"],
    ids=["nested deeply", "not UTF-8", "half a surrogate pair", "a NUL"],
)
def test_a_body_that_is_no_json_is_a_bad_request(body: bytes) -> None:
    answer = FakeSystem().ask(Request("POST", "/proxies", {}, body))
    assert (answer.status, error_of(answer).partition(":")[0]) == (400, "bad request body")


# --- access --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 401),
        ("Bearer wrong", 401),
        ("Basic secret", 401),
        ("Bearer secret", 200),
        ("bearer secret", 200),
    ],
)
def test_with_a_token_only_a_request_that_carries_it_is_answered(header: str, status: int) -> None:
    request = Request("GET", "/proxies", {"authorization": header})
    assert FakeSystem(Access("secret")).ask(request).status == status


def test_without_the_token_an_unknown_path_looks_like_a_known_one() -> None:
    assert FakeSystem(Access("secret")).ask(Request("GET", "/nothing")).status == 401


@pytest.mark.parametrize("token", ["", " ", "\t\n"])
def test_a_blank_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="The token is blank"):
        Access(token)


def test_no_repr_holds_the_token() -> None:
    assert "s3cret" not in repr(Access("s3cret"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8474", 200),
        ("LOCALHOST", 200),
        ("api.localhost:8474", 200),
        ("127.0.0.1:8474", 200),
        ("[::1]:8474", 200),
        ("192.168.1.7:8474", 200),
        ("toxiproxy:8474", 200),
        ("", 200),
        ("evil.example:8474", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("[::1", 403),
    ],
)
def test_a_host_header_must_be_an_address_a_loopback_name_or_an_allowed_name(
    host: str, status: int
) -> None:
    system = FakeSystem(Access(hosts=("toxiproxy",)))
    assert system.ask(Request("GET", "/proxies", {"host": host})).status == status


def test_a_refused_host_is_named_with_the_option_that_allows_it() -> None:
    answer = FakeSystem().ask(Request("GET", "/proxies", {"host": "evil.example"}))
    assert "'evil.example'" in error_of(answer)
    assert "--allow-host" in error_of(answer)


OPEN = ("0.0.0.0:26379", "[::]:26379", "192.0.2.7:26379", "[::ffff:192.0.2.7]:26379")
LOOPBACK = (
    "",
    ":26379",
    "localhost:26379",
    "127.0.0.1:26379",
    "127.5.5.5:26379",
    "[::1]:26379",
    "[::ffff:127.0.0.1]:26379",
)


@pytest.mark.parametrize("listen", OPEN)
def test_without_a_token_no_proxy_listens_where_other_machines_reach_it(listen: str) -> None:
    system = FakeSystem()
    answer = system.post("/proxies", {"name": "r", "listen": listen, "upstream": "x:1"})
    assert (answer.status, "--token" in error_of(answer)) == (403, True)
    assert not any(isinstance(effect, Start) for effect in system.effects)


@pytest.mark.parametrize("listen", LOOPBACK)
def test_without_a_token_a_proxy_may_listen_on_the_loopback(listen: str) -> None:
    answer = FakeSystem().post("/proxies", {"name": "r", "listen": listen, "upstream": "x:1"})
    assert answer.status == 201


def test_with_a_token_a_proxy_may_listen_anywhere() -> None:
    answer = FakeSystem(Access("secret")).post(
        "/proxies",
        {"name": "r", "listen": "0.0.0.0:26379", "upstream": "x:1"},
        authorization="Bearer secret",
    )
    assert answer.status == 201


def test_a_disabled_proxy_can_t_be_enabled_on_an_open_address_without_a_token() -> None:
    system = FakeSystem()
    proxy = {"name": "r", "listen": "0.0.0.0:26379", "upstream": "x:1", "enabled": False}
    assert system.post("/proxies", proxy).status == 201
    assert system.post("/proxies/r", {"enabled": True}).status == 403
    assert system.post("/reset", {}).status == 403
    assert system.post("/populate", [{**proxy, "enabled": True, "upstream": "y:1"}]).status == 403
    assert not system.state.proxies["r"].enabled


# --- faults placed at commands ---------------------------------------------------------------------------


def wire_toxic(**attributes: object) -> Answer:
    system = FakeSystem()
    system.post("/proxies", {"name": "r", "upstream": "x:1"})
    return system.post("/proxies/r/toxics", {"type": "lost-reply", "attributes": attributes})


def test_a_fault_placed_at_a_command_is_a_toxic_that_shows_how_often_it_has_happened() -> None:
    answer = wire_toxic(command="EXEC", nth=2)
    assert json.loads(answer.body) == {
        "attributes": {
            "command": "EXEC",
            "key": "",
            "argument": "",
            "nth": 2,
            "scope": "connection",
            "times": 1,
        },
        "name": "lost-reply_downstream",
        "type": "lost-reply",
        "stream": "downstream",
        "toxicity": 1,
        "fired": 7,
        "last_hit": "EXEC",
    }


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"scope": "world"}, "scope is 'world', and must be connection or proxy"),
        ({"nth": 0}, "nth is 0, and must be at least 1"),
        ({"times": -1}, "times is -1, and must be at least 0"),
        ({"command": 5}, "attribute command must be a string"),
        ({"nth": True}, "attribute nth must be an integer"),
    ],
)
def test_an_invalid_placement_is_refused_with_the_reason(
    attributes: dict[str, object], reason: str
) -> None:
    answer = wire_toxic(**attributes)
    assert answer.status == 400
    assert error_of(answer) == f"bad request body: {reason}"
