"""``midpipe proxy`` as its user sees it: start, configuration, requests, interrupt, and refused options."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from tests.real.peers import connected, seen_by, upstream
from tests.real.toxiproxies import midpipe_proxy
from tests.support.children import running


def refused(*options: str, **environment: str) -> str:
    """Run the command, which must exit with code 2; return its message."""
    ended = subprocess.run(
        [sys.executable, "-m", "midpipe", "proxy", *options],
        capture_output=True,
        env={**os.environ, **environment},
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr


def test_an_interrupt_ends_it_with_130_and_frees_every_port() -> None:
    words = [sys.executable, "-m", "midpipe", "proxy", "--port", "0"]
    with running(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        base = process.stdout.readline().split()[-1]
        body = json.dumps({"name": "redis", "upstream": "127.0.0.1:1"}).encode()
        with urllib.request.urlopen(f"{base}/proxies", body) as answer:
            host, port = json.load(answer)["listen"].split(":")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    for taken in (int(port), int(base.rpartition(":")[2])):
        with socket.create_server((host, taken)):
            pass


def test_a_port_that_is_taken_is_refused_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused("--port", str(taken.getsockname()[1]))
    assert "address already in use" in said
    assert said.count("listen on") == 1
    assert "--port" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]"])
def test_it_listens_where_other_machines_reach_it_with_a_token_only(host: str) -> None:
    assert "--token" in refused("--host", host, "--port", "0")


def test_a_blank_token_is_refused_also_from_the_environment() -> None:
    assert "The token is blank" in refused("--port", "0", "--token", " ")
    assert "The token is blank" in refused("--port", "0", MIDPIPE_PROXY_TOKEN="")


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_it_listens_on_an_ipv6_address_with_or_without_brackets(host: str) -> None:
    with midpipe_proxy("--host", host) as api, closing(ToxiproxyClient(api)) as client:
        assert str(api).startswith("[::1]:")
        assert client.create("redis", "[::1]:1", "[::1]:0").startswith("[::1]:")


def test_a_host_name_is_answered_to_if_it_is_allowed() -> None:
    def status(host: str) -> int:
        request = urllib.request.Request(f"http://{api}/proxies", headers={"Host": host})
        try:
            with urllib.request.urlopen(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    with midpipe_proxy("--allow-host", "toxiproxy") as api:
        assert [status("toxiproxy:8474"), status("other:8474")] == [200, 403]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "bad request body"),
        ('[{"name":"redis"}]', "missing required field: upstream at proxy 1"),
        (
            '[{"name":"redis","listen":"0.0.0.0:0","upstream":"x:1"}]',
            "lets other machines in",
        ),
    ],
)
def test_an_invalid_configuration_is_refused_with_the_reason(
    tmp_path: Path, text: str, says: str
) -> None:
    config = tmp_path / "proxies.json"
    config.write_text(text)
    said = refused("--port", "0", "--config", str(config))
    assert (says in said, "{" in said) == (True, False)


def test_it_starts_with_the_proxies_of_its_configuration(tmp_path: Path) -> None:
    config = tmp_path / "proxies.json"
    config.write_text('[{"name":"redis","upstream":"127.0.0.1:1"}]')
    with midpipe_proxy("--config", str(config)) as api, closing(ToxiproxyClient(api)) as client:
        assert client.names() == ("redis",)


def test_metrics_count_the_bytes_of_connections_that_are_open() -> None:
    with (
        midpipe_proxy("--proxy-metrics") as api,
        upstream() as server,
        closing(ToxiproxyClient(api)) as client,
    ):
        listen = client.create("echo", str(server.address))
        with connected(listen) as end:
            end.sendall(b"seven b")
            seen_by(end, enough=7)
            with urllib.request.urlopen(f"http://{api}/metrics") as answer:
                text = answer.read().decode()
        client.destroy("echo")
    labels = f'listener="{listen}",proxy="echo",upstream="{server.address}"'
    assert f'toxiproxy_proxy_sent_bytes_total{{direction="upstream",{labels}}} 7\n' in text


def test_the_same_seed_and_the_same_traffic_give_the_same_faults() -> None:
    def lost(seed: str) -> list[bytes]:
        found = []
        with (
            midpipe_proxy("--seed", seed) as api,
            upstream() as server,
            closing(ToxiproxyClient(api)) as client,
        ):
            listen = client.create("echo", str(server.address))
            client.add_toxic("echo", "limit_data", {"bytes": 1}, toxicity=0.5)
            for _ in range(12):
                with connected(listen) as end:
                    end.sendall(b"ab")
                    found.append(seen_by(end, enough=2).data)
            client.destroy("echo")
        return found

    first = lost("7")
    assert {b"a", b"ab"} == {*first}
    assert lost("7") == first
    assert lost("8") != first
