"""A prefetched handshake is indistinguishable from a real one, for the client and for the server."""

from __future__ import annotations

import socket

import pytest

from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.server import Server
from midpipe.faultinject.wire.readers import ReplyReader
from midpipe.faultinject.wire.resp import Value
from tests.real.conftest import PlannedDirector, Wire

FIRST = (("HELLO", "3"), ("SELECT", "3"), ("CLIENT", "SETNAME", "first"), ("SET", "k", "v"))


@pytest.fixture
def prefetching(wire: Wire) -> Wire:
    """A proxy through which a client has completed a handshake before, and disconnected."""
    wire.listener.prefetches_for = wire.director
    client = wire.connect()
    answers(wire, client, *FIRST)
    client.close()
    wire.turn()
    return wire


def answers(wire: Wire, client: socket.socket, *commands: tuple[str, ...]) -> list[Value]:
    """Send one command after the other, and return their answers."""
    reader = ReplyReader()
    found: list[Value] = []
    for command in commands:
        wire.send(client, command)
        found.append(next_answer(wire, client, reader))
    return found


def next_answer(wire: Wire, client: socket.socket, reader: ReplyReader) -> Value:
    client.setblocking(False)
    while (reply := reader.next_reply()) is None:
        wire.loop.step(0.05)
        try:
            reader.feed(client.recv(65536))
        except BlockingIOError:
            continue
    return reply.value


def test_the_answers_belong_to_this_connection(prefetching: Wire) -> None:
    client = prefetching.connect()
    hello, *_, own_id = answers(prefetching, client, *FIRST, ("CLIENT", "ID"))
    fields = dict(getattr(hello, "pairs", ()))
    assert fields[b"id"] == own_id


def test_the_server_executes_the_client_s_handshake(prefetching: Wire, control: Control) -> None:
    answers(prefetching, prefetching.connect(), *FIRST)
    control.call("SELECT", 3)
    assert control.call("GET", "k") == b"v"


@pytest.mark.parametrize("before", range(3), ids=["at once", "after one", "after two"])
def test_a_client_that_sends_a_shorter_handshake_than_last_time_gets_exactly_that(
    prefetching: Wire, control: Control, before: int
) -> None:
    client = prefetching.connect()
    *_, name = answers(
        prefetching, client, *FIRST[:before], ("SET", "other", "w"), ("CLIENT", "GETNAME")
    )
    assert name is None
    control.call("SELECT", 3 if before == 2 else 0)
    assert control.call("GET", "other") == b"w"


def test_a_client_that_sends_another_handshake_than_last_time_gets_its_own_answers(
    prefetching: Wire,
) -> None:
    client = prefetching.connect()
    hello, named, name = answers(
        prefetching, client, ("HELLO", "2"), ("CLIENT", "SETNAME", "second"), ("CLIENT", "GETNAME")
    )
    assert isinstance(hello, tuple)
    assert (named, name) == ("OK", b"second")


def test_a_handshake_in_one_write_with_a_command_is_answered_in_order(
    prefetching: Wire,
) -> None:
    client = prefetching.connect()
    prefetching.send(client, *FIRST)
    reader = ReplyReader()
    assert [next_answer(prefetching, client, reader) for _ in FIRST][1:] == ["OK", "OK", "OK"]


def test_nothing_is_prefetched_for_another_director(prefetching: Wire) -> None:
    prefetching.listener.director = director = PlannedDirector()
    answers(prefetching, prefetching.connect(), *FIRST)
    assert [name for name, _ in director.done_commands] == ["HELLO", "SELECT", "CLIENT", "SET"]


def test_a_handshake_that_arrives_byte_by_byte_is_answered(prefetching: Wire) -> None:
    client = prefetching.connect()
    for byte in b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n":
        client.sendall(bytes([byte]))
        prefetching.loop.step(0.05)
    assert next_answer(prefetching, client, ReplyReader()) is not None


def test_the_director_decides_about_the_commands_after_the_handshake(prefetching: Wire) -> None:
    before = len(prefetching.director.done_commands)
    answers(prefetching, prefetching.connect(), *FIRST)
    assert [name for name, _ in prefetching.director.done_commands[before:]] == ["SET"]


def test_a_fault_can_be_placed_at_the_first_command_after_the_handshake(
    prefetching: Wire, control: Control
) -> None:
    prefetching.place("cut-before", prefetching.director.count + 1)
    client = prefetching.connect()
    answers(prefetching, client, *FIRST[:3])
    prefetching.send(client, ("SET", "other", "w"))
    prefetching.turn()
    client.setblocking(True)
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    control.call("SELECT", 3)
    assert control.call("EXISTS", "other") == 0


def test_a_client_that_disconnects_between_two_handshake_commands_was_not_mid_command(
    prefetching: Wire,
) -> None:
    before = prefetching.director.gone
    client = prefetching.connect()
    answers(prefetching, client, FIRST[0])
    client.close()
    prefetching.turn()
    assert (prefetching.director.gone - before, prefetching.director.gave_up) == (1, 0)


def test_a_client_that_disconnects_while_a_stopped_server_owes_a_handshake_reply_was_mid_command(
    prefetching: Wire, server: Server
) -> None:
    server.suspend()
    try:
        client = prefetching.connect()
        prefetching.send(client, FIRST[0])
        prefetching.turn()
        client.close()
        prefetching.turn()
    finally:
        server.resume()
    assert prefetching.director.gave_up == 1
