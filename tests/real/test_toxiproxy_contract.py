"""The HTTP API's contract, and the client: one suite for a real Toxiproxy and for ``midpipe proxy``."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from midpipe.faultinject.vocabulary import Address
from tests.fast.faultinject.toxiproxy.toxiproxy_contract import CONTRACT, Exchange
from tests.real.toxiproxies import BOTH, OURS, api_of, midpipe_proxy, real_toxiproxy

# The first test may have to build a Toxiproxy.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", params=BOTH)
def api(request: pytest.FixtureRequest, run_directory: RunDirectory) -> Iterator[Address]:
    with api_of(request.param, run_directory) as address:
        yield address


@pytest.fixture
def client(api: Address) -> Iterator[ToxiproxyClient]:
    made = ToxiproxyClient(api)
    yield made
    for name in made.names():
        made.destroy(name)
    made.close()


def answered(api: Address, exchange: Exchange) -> tuple[int, str]:
    connection = http.client.HTTPConnection(api.host, api.port, timeout=30)
    connection.request(
        exchange.method,
        exchange.path,
        exchange.body.encode() or None,
        {"User-Agent": exchange.user_agent},
    )
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_every_request_of_the_contract_is_answered(api: Address) -> None:
    differing = {
        str(exchange): difference
        for exchange in CONTRACT
        if (difference := exchange.differs(*answered(api, exchange)))
    }
    assert differing == {}


def test_the_client_reports_the_version(client: ToxiproxyClient) -> None:
    assert client.version() == "2.12.0"


def test_a_proxy_is_created_on_a_port_that_the_system_chooses_and_removed(
    client: ToxiproxyClient,
) -> None:
    listen = client.create("redis", "127.0.0.1:6379")
    assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", listen)
    assert client.names() == ("redis",)
    client.destroy("redis")
    assert client.names() == ()


def test_a_second_proxy_of_one_name_is_refused(client: ToxiproxyClient) -> None:
    client.create("redis", "127.0.0.1:6379")
    with pytest.raises(ServerError, match="already exists"):
        client.create("redis", "127.0.0.1:6380")


def test_a_port_that_is_taken_is_an_error(client: ToxiproxyClient) -> None:
    listen = client.create("one", "127.0.0.1:6379")
    with pytest.raises(ServerError, match="address already in use"):
        client.create("two", "127.0.0.1:6379", listen)


def test_a_proxy_is_disabled_and_enabled_again(client: ToxiproxyClient) -> None:
    client.create("redis", "127.0.0.1:6379")
    client.enable("redis", enabled=False)
    was_down = not client.is_up("redis")
    client.enable("redis", enabled=True)
    assert (was_down, client.is_up("redis")) == (True, True)


def test_a_toxic_is_added_shown_and_removed(client: ToxiproxyClient) -> None:
    client.create("redis", "127.0.0.1:6379")
    name = client.add_toxic("redis", "latency", {"latency": 5}, stream="upstream", toxicity=0.5)
    assert client.toxics("redis") == {
        "latency_upstream": {
            "attributes": {"latency": 5, "jitter": 0},
            "name": name,
            "type": "latency",
            "stream": "upstream",
            "toxicity": 0.5,
        }
    }
    client.remove_toxic("redis", name)
    assert client.toxics("redis") == {}


def test_a_toxic_that_does_not_exist_is_refused(client: ToxiproxyClient) -> None:
    client.create("redis", "127.0.0.1:6379")
    with pytest.raises(ServerError, match="invalid toxic type"):
        client.add_toxic("redis", "earthquake", {})
    with pytest.raises(ServerError, match="toxic not found"):
        client.remove_toxic("redis", "earthquake")


def test_a_reset_enables_every_proxy_and_removes_every_toxic(client: ToxiproxyClient) -> None:
    client.create("redis", "127.0.0.1:6379")
    client.add_toxic("redis", "timeout", {"timeout": 0})
    client.enable("redis", enabled=False)
    client.reset()
    assert (client.is_up("redis"), client.toxics("redis")) == (True, {})


def test_two_servers_at_once_share_no_state(run_directory: RunDirectory) -> None:
    with api_of(OURS, run_directory) as one, api_of(OURS, run_directory) as other:
        clients = ToxiproxyClient(one), ToxiproxyClient(other)
        clients[0].create("only-here", "127.0.0.1:6379")
        clients[1].create("only-there", "127.0.0.1:6379")
        assert [client.names() for client in clients] == [("only-here",), ("only-there",)]
        for client in clients:
            client.close()


def test_a_token_is_required_and_sent() -> None:
    with midpipe_proxy("--token", "secret") as api:
        stranger, friend = ToxiproxyClient(api), ToxiproxyClient(api, token="secret")
        assert friend.names() == ()
        with pytest.raises(ServerError, match="missing or wrong token"):
            stranger.create("redis", "127.0.0.1:6379")
        assert friend.names() == ()
        stranger.close()
        friend.close()


def test_a_real_toxiproxy_ends_when_midpipe_is_killed(run_directory: RunDirectory) -> None:
    # Without a Toxiproxy this skips the test, or fails it in CI.
    with real_toxiproxy(run_directory):
        pass
    program = (
        "import os, signal\n"
        "from midpipe.faultinject.reaper import RunDirectory\n"
        "from tests.real.toxiproxies import real_toxiproxy\n"
        "with real_toxiproxy(RunDirectory()) as api:\n"
        "    print(api.port, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False
    )
    port = int(ended.stdout)
    deadline_s = time.monotonic() + 10
    while _is_open(port):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
