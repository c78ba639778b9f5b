"""Faults placed at a command over HTTP: what the server executed, what the client received, and how often each fired.

The proxy is ``midpipe proxy`` as a user starts it; the client speaks raw bytes, the server is real.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.node import Node
from midpipe.faultinject.servers.origins import FromBinary
from midpipe.faultinject.toxiproxy.api_state import Attribute
from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.resp import encode_command
from tests.real.peers import FIN, OPEN, PATIENCE_S, QUIET_S, RST, connected, seen_by
from tests.real.toxiproxies import midpipe_proxy

BLOCK = b"".join(encode_command(*words) for words in (("MULTI",), ("INCR", "n"), ("EXEC",)))
IN_BLOCK = b"+OK\r\n+QUEUED\r\n"


class Bench:
    """A server, a proxy in front of it, and clients that speak raw bytes."""

    def __init__(self, node: Node, client: ToxiproxyClient) -> None:
        self._node = node
        self._client = client
        self._client.create("redis", f"127.0.0.1:{node.port}")
        self.sockets = ExitStack()
        self.listen = str(client._server.get_proxy("redis").listen)
        node.call("FLUSHALL")

    def place(self, kind: str, **attributes: Attribute) -> None:
        self._client.add_toxic("redis", kind, attributes)

    def shape(self, kind: str, **attributes: Attribute) -> None:
        """Add one of Toxiproxy's own toxics downstream."""
        self._client.add_toxic("redis", kind, attributes)

    @property
    def fired(self) -> int:
        return sum(toxic.get("fired", 0) for toxic in self._client.toxics("redis").values())

    @property
    def last_hit(self) -> str:
        (toxic,) = self._client.toxics("redis").values()
        return str(toxic.get("last_hit"))

    @property
    def value(self) -> object:
        """The counter, read directly from the server."""
        return self._node.call("GET", "n")

    def connect(self) -> socket.socket:
        return self.sockets.enter_context(connected(self.listen))

    def close(self) -> None:
        self.sockets.close()
        self._client.destroy("redis")


@pytest.fixture(scope="module")
def node(run_directory: RunDirectory) -> Iterator[Node]:
    started = Node(FromBinary(None, run_directory), arguments=())
    yield started
    started.stop()


@pytest.fixture(scope="module")
def client() -> Iterator[ToxiproxyClient]:
    with midpipe_proxy() as api:
        made = ToxiproxyClient(api)
        yield made
        made.close()


@pytest.fixture
def bench(node: Node, client: ToxiproxyClient) -> Iterator[Bench]:
    made = Bench(node, client)
    yield made
    made.close()


def await_condition(holds: Callable[[], bool]) -> bool:
    """Poll for a condition for which the connection sends no event; return whether it held in time."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def exchange(end: socket.socket, *words: str, quiet_s: float = 10.0) -> tuple[bytes, str]:
    """Send a command; return what was received, up to a whole line, and the state of the connection."""
    end.sendall(encode_command(*words))
    return seen_by(end, quiet_s, enough=4).outcome


def ask_for_block(end: socket.socket) -> tuple[bytes, str]:
    end.sendall(BLOCK)
    return seen_by(end, enough=len(IN_BLOCK) + len(b"*1\r\n:1\r\n")).outcome


def test_a_script_without_keys_is_singled_out_by_an_argument_and_reported(bench: Bench) -> None:
    script = "return redis.call('INCR', ARGV[2])"
    bench.place("lost-reply", command="EVAL*", argument="put")
    end = bench.connect()
    assert exchange(end, "EVAL", script, "0", "take", "n") == (b":1\r\n", OPEN)
    assert exchange(end, "EVAL", script, "0", "put", "n") == (b"", RST)
    assert bench.last_hit == f"EVAL {script} 0 put n"


def test_the_second_exec_on_this_connection_loses_its_reply(bench: Bench) -> None:
    bench.place("lost-reply", command="EXEC", nth=2)
    one, other = bench.connect(), bench.connect()
    assert ask_for_block(one) == (IN_BLOCK + b"*1\r\n:1\r\n", OPEN)
    assert ask_for_block(other) == (IN_BLOCK + b"*1\r\n:2\r\n", OPEN)
    seen, how = ask_for_block(one)
    # A reset may discard answers that had arrived before it.
    assert (IN_BLOCK.startswith(seen), how) == (True, RST)
    assert (bench.value, bench.fired) == (b"3", 1)


@pytest.mark.parametrize(
    ("kind", "seen", "executed"),
    [
        ("cut-before", (b"", RST), None),
        ("torn-first", (b"", RST), None),
        ("torn-middle", (b"", RST), None),
        ("torn-last", (b"", RST), None),
        ("lost-reply", (b"", RST), b"1"),
        ("lost-reply-fin", (b"", FIN), b"1"),
        ("stall", (b"", OPEN), b"1"),
        ("black-hole", (b"", OPEN), None),
        ("slow", (b":1\r\n", OPEN), b"1"),
        ("slice", (b":1\r\n", OPEN), b"1"),
        ("command-bandwidth", (b":1\r\n", OPEN), b"1"),
    ],
)
def test_a_fault_at_a_command_does_what_its_name_says(
    bench: Bench, kind: str, seen: tuple[bytes, str], executed: bytes | None
) -> None:
    bench.place(kind, command="INCR")
    end = bench.connect()
    assert exchange(end, "PING") == (b"+PONG\r\n", OPEN)
    quiet_s = QUIET_S if seen == (b"", OPEN) else PATIENCE_S
    assert exchange(end, "INCR", "n", quiet_s=quiet_s) == seen
    assert await_condition(lambda: (bench.value, bench.fired) == (executed, 1))


def test_refuse_cuts_the_connection_and_refuses_others_for_its_duration(bench: Bench) -> None:
    bench.place("refuse", command="INCR", duration=60_000)
    end = bench.connect()
    assert exchange(end, "INCR", "n") == (b"", RST)
    with pytest.raises(ConnectionRefusedError):
        bench.connect()
    bench._client.remove_toxic("redis", "refuse_downstream")
    assert exchange(bench.connect(), "INCR", "n") == (b":1\r\n", OPEN)


def test_a_refusal_ends_by_itself(bench: Bench) -> None:
    bench.place("refuse", command="INCR", duration=30)
    assert exchange(bench.connect(), "INCR", "n") == (b"", RST)
    found: list[socket.socket] = []

    def is_taken_again() -> bool:
        with suppress(ConnectionRefusedError):
            found.append(bench.connect())
        return bool(found)

    assert await_condition(is_taken_again)
    assert exchange(found[0], "PING") == (b"+PONG\r\n", OPEN)


def test_a_late_command_arrives_once_its_client_has_disconnected(bench: Bench) -> None:
    bench.place("late", command="INCR")
    end = bench.connect()
    assert exchange(end, "INCR", "n", quiet_s=QUIET_S) == (b"", OPEN)
    assert bench.value is None
    end.close()
    assert await_condition(lambda: bench.value == b"1")


def test_a_late_command_arrives_after_the_given_number_of_further_commands(bench: Bench) -> None:
    bench.place("late", command="SET", after=2)
    late, other = bench.connect(), bench.connect()
    assert exchange(late, "SET", "n", "5", quiet_s=QUIET_S) == (b"", OPEN)
    assert exchange(other, "INCR", "n") == (b":1\r\n", OPEN)
    assert exchange(other, "INCR", "n") == (b":2\r\n", OPEN)
    assert exchange(other, "GET", "n") == (b"$1\r\n5\r\n", OPEN)


def test_a_key_is_distinguished_from_an_argument(bench: Bench) -> None:
    bench.place("cut-before", key="job:*")
    end = bench.connect()
    assert exchange(end, "SET", "n", "job:1") == (b"+OK\r\n", OPEN)
    assert exchange(end, "SET", "job:1", "x") == (b"", RST)


def test_matches_are_counted_over_the_whole_proxy_with_scope_proxy(bench: Bench) -> None:
    bench.place("cut-before", command="INCR*", nth=2, scope="proxy")
    assert exchange(bench.connect(), "INCR", "n") == (b":1\r\n", OPEN)
    assert exchange(bench.connect(), "INCRBY", "n", "1") == (b"", RST)
    assert exchange(bench.connect(), "INCR", "n") == (b":2\r\n", OPEN)


def test_it_happens_as_often_as_times_says(bench: Bench) -> None:
    bench.place("cut-before", command="INCR", times=2)
    outcomes = [exchange(bench.connect(), "INCR", "n") for _ in range(3)]
    assert outcomes == [(b"", RST), (b"", RST), (b":1\r\n", OPEN)]
    assert bench.fired == 2


def test_it_acts_on_a_connection_opened_before_it(bench: Bench) -> None:
    end = bench.connect()
    assert exchange(end, "INCR", "n") == (b":1\r\n", OPEN)
    bench.place("lost-reply", command="INCR")
    assert exchange(end, "INCR", "n") == (b"", RST)
    assert (bench.value, bench.fired) == (b"2", 1)


def test_a_handshake_command_can_be_broken_by_name(bench: Bench) -> None:
    bench.place("cut-before", command="HELLO")
    assert exchange(bench.connect(), "HELLO", "3") == (b"", RST)


def test_it_works_beside_the_toxics_of_toxiproxy(bench: Bench) -> None:
    bench.shape("limit_data", bytes=8)
    bench.place("slow", command="PING", times=0)
    end = bench.connect()
    assert exchange(end, "PING") == (b"+PONG\r\n", OPEN)
    end.sendall(encode_command("PING"))
    assert seen_by(end).data in (b"+", b"")


def test_a_pipeline_of_megabytes_passes_whole_while_its_commands_are_parsed(bench: Bench) -> None:
    bench.place("cut-before", command="NEVER")
    where = Address(host="127.0.0.1", port=int(bench.listen.rpartition(":")[2]))
    big = b"x" * 3_000_000
    with closing(Control(where)) as control:
        answers = control.pipeline([*[("SET", f"k{n}", big) for n in range(3)], ("GET", "k2")])
    assert answers[3] == big


def test_a_client_that_does_not_read_its_reply_delays_no_other(bench: Bench, node: Node) -> None:
    node.call("SET", "big", b"x" * 30_000_000)
    bench.place("cut-before", command="NEVER")
    lazy, other = bench.connect(), bench.connect()
    lazy.sendall(encode_command("GET", "big"))
    assert exchange(other, "PING") == (b"+PONG\r\n", OPEN)
    whole = len(b"$30000000\r\n") + 30_000_000 + len(b"\r\n")
    assert len(seen_by(lazy, enough=whole).data) == whole
