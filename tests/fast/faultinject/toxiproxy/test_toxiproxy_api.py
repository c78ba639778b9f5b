"""Toxiproxy's API without a socket: the pure handler answers as a real Toxiproxy does, request by request."""

from __future__ import annotations

import json
import re

import pytest

from midpipe.faultinject.toxiproxy.addresses import AddressError, parse, resolved
from midpipe.faultinject.toxiproxy.api import handle
from midpipe.faultinject.toxiproxy.api_state import ApiState
from midpipe.faultinject.toxiproxy.exchange import (
    Answer,
    Effect,
    EffectFailedError,
    Request,
    Resolve,
    Start,
    Stop,
    carried_out,
)
from midpipe.faultinject.toxiproxy.go_json import Number, decode, float32_text
from tests.fast.faultinject.toxiproxy.toxiproxy_contract import CONTRACT, Exchange


class FakeSystem:
    """A system whose every address but 127.0.0.1 can't be bound; hands out ports from 20001 on."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.world = ApiState()
        self._port = 20000

    def ask(self, request: Request, token: str = "") -> Answer:
        handling = handle(request, self.world, lambda proxy, toxic: 7, token=token)
        answer = carried_out(handling, self._had)
        self.world = answer.world
        return answer

    def _had(self, effect: Effect) -> str:
        self.effects.append(effect)
        try:
            return self._outcome(effect)
        except AddressError as error:
            raise EffectFailedError(str(error)) from error

    def _outcome(self, effect: Effect) -> str:
        if isinstance(effect, Resolve):
            return resolved(effect.listen)
        if not isinstance(effect, Start):
            return ""
        try:
            host = parse(effect.proxy.listen).host or "127.0.0.1"
        except AddressError as error:
            raise AddressError(f"listen tcp: {error}") from error
        if host != "127.0.0.1":
            raise AddressError(
                f"listen tcp {effect.proxy.listen}: bind: cannot assign requested address"
            )
        self._port += 1
        return f"{host}:{parse(effect.proxy.listen).port or self._port}"


def asked(system: FakeSystem, exchange: Exchange) -> tuple[int, str, str]:
    answer = system.ask(
        Request(
            exchange.method,
            exchange.path,
            {"user-agent": exchange.user_agent},
            exchange.body.encode(),
        )
    )
    body = re.sub(r'"127\.0\.0\.1:2\d{4}"', '"127.0.0.1:PORT"', answer.body.decode())
    return answer.status, dict(answer.headers).get("Content-Type", ""), body


def test_every_request_is_answered_as_a_real_toxiproxy_answers_it() -> None:
    system = FakeSystem()
    differing = {
        str(exchange): answered
        for exchange in CONTRACT
        if (answered := asked(system, exchange))
        != (exchange.status, exchange.content_type, exchange.answer)
    }
    assert differing == {}


def test_every_endpoint_stands_in_the_contract() -> None:
    asked_for = {re.sub(r"/(r|zz|p\d|off[^/]*)(?=/|$)", "/P", e.path) for e in CONTRACT}
    assert {"/P", "/proxies/P", "/proxies/P/toxics", "/populate", "/reset", "/version"} - {
        "/P"
    } <= asked_for


def test_an_update_that_is_refused_changes_nothing() -> None:
    system = FakeSystem()
    system.ask(Request("POST", "/proxies", {}, b'{"name":"r","upstream":"x:1"}'))
    system.ask(Request("POST", "/proxies/r/toxics", {}, b'{"type":"latency"}'))
    before = system.world
    refused = system.ask(
        Request(
            "PATCH",
            "/proxies/r/toxics/latency_downstream",
            {},
            b'{"attributes":{"latency":7,"jitter":"x"}}',
        )
    )
    assert (refused.status, system.world) == (400, before)


def test_a_new_upstream_restarts_the_proxy_and_keeps_its_toxics() -> None:
    system = FakeSystem()
    system.ask(Request("POST", "/proxies", {}, b'{"name":"r","upstream":"x:1"}'))
    system.ask(Request("POST", "/proxies/r/toxics", {}, b'{"type":"noop"}'))
    system.effects.clear()
    system.ask(Request("PATCH", "/proxies/r", {}, b'{"upstream":"x:2"}'))
    proxy = system.world.proxies["r"]
    assert [type(effect) for effect in system.effects] == [Resolve, Stop, Start]
    assert (proxy.upstream, proxy.enabled, len(proxy.toxics)) == ("x:2", True, 1)


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
def test_with_a_token_only_its_bearer_is_answered(header: str, status: int) -> None:
    request = Request("GET", "/proxies", {"authorization": header})
    assert FakeSystem().ask(request, token="secret").status == status


def wire_toxic(**attributes: object) -> Answer:
    system = FakeSystem()
    system.ask(Request("POST", "/proxies", {}, b'{"name":"r","upstream":"x:1"}'))
    body = json.dumps({"type": "lost-reply", "attributes": attributes}).encode()
    return system.ask(Request("POST", "/proxies/r/toxics", {}, body))


def test_a_fault_placed_at_a_command_is_a_toxic_that_tells_how_often_it_has_happened() -> None:
    answer = wire_toxic(command="EXEC", nth=2)
    assert json.loads(answer.body) == {
        "attributes": {"command": "EXEC", "key": "", "nth": 2, "scope": "connection", "times": 1},
        "name": "lost-reply_downstream",
        "type": "lost-reply",
        "stream": "downstream",
        "toxicity": 1,
        "fired": 7,
    }


@pytest.mark.parametrize(
    ("attributes", "clause"),
    [
        ({"scope": "world"}, "scope was 'world', can be either connection or proxy"),
        ({"nth": 0}, "nth was 0, must be at least 1"),
        ({"times": -1}, "times was -1, must be at least 0"),
    ],
)
def test_a_placement_that_means_nothing_is_refused_with_a_reason(
    attributes: dict[str, object], clause: str
) -> None:
    answer = wire_toxic(**attributes)
    assert answer.status == 400
    assert json.loads(answer.body)["error"] == f"bad request body: {clause}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": [1, -2.5e+3, true, null]} x', {"a": [Number("1"), Number("-2.5e+3"), True, None]}),
        ('"\\u00e9\\ud83d\\ude00\\n"', "é😀\n"),
        ("[]", []),
        ("{}", {}),
    ],
)
def test_json_is_read_as_a_go_decoder_reads_it(text: str, value: object) -> None:
    assert decode(text.encode()) == value


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.0, "1"), (0.0, "0"), (0.5, "0.5"), (0.1, "0.1"), (5.0, "5"), (1234567.0, "1234567")],
)
def test_a_toxicity_is_shown_as_the_shortest_decimal_of_its_float32(
    number: float, text: str
) -> None:
    assert float32_text(number) == text
