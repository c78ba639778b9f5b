"""``midpipe proxy`` as a person uses it: started, configured, asked, interrupted; what can't be used is told."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from tests.real.peers import connected, seen_by, upstream
from tests.real.toxiproxies import midpipe_proxy
from tests.support.children import running


def refused(*options: str) -> str:
    """Run the command, which must end by itself with code 2; return what it says."""
    ended = subprocess.run(
        [sys.executable, "-m", "midpipe", "proxy", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr


def test_an_interrupt_ends_it_with_130_and_gives_every_port_back() -> None:
    words = [sys.executable, "-m", "midpipe", "proxy", "--port", "0"]
    with running(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        base = process.stdout.readline().split()[-1]
        body = json.dumps({"name": "redis", "upstream": "127.0.0.1:1"}).encode()
        with urllib.request.urlopen(f"{base}/proxies", body) as answer:
            host, port = json.load(answer)["listen"].split(":")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    for taken in (int(port), int(base.rpartition(":")[2])):
        with socket.create_server((host, taken)):
            pass


def test_a_port_that_is_taken_is_told_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused("--port", str(taken.getsockname()[1]))
    assert "address already in use" in said
    assert "--port" in said


def test_it_opens_to_others_with_a_token_only() -> None:
    assert "--token" in refused("--host", "0.0.0.0", "--port", "0")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "unexpected EOF"),
        ('[{"name":"redis"}]', "missing required field: upstream at proxy 1"),
        (
            '[{"name":"redis","listen":"1.2.3.4:5","upstream":"x:1"}]',
            "cannot assign requested address",
        ),
    ],
)
def test_a_configuration_that_can_not_be_used_is_told(tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "proxies.json"
    config.write_text(text)
    assert says in refused("--port", "0", "--config", str(config))


def test_it_begins_with_the_proxies_of_its_configuration(tmp_path: Path) -> None:
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
