"""A connection's set-up that goes to the server before the client says it: the client and the server can't tell."""

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
def rehearsed(wire: Wire) -> Wire:
    """A proxy through which a connection has been set up before, and closed."""
    wire.listener.dry_runs_for = wire.director
    client = wire.connect()
    answers(wire, client, *FIRST)
    client.close()
    wire.turn()
    return wire


def answers(wire: Wire, client: socket.socket, *commands: tuple[str, ...]) -> list[Value]:
    """Send one command after the other, and return what each was answered."""
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


def test_what_the_server_answers_is_of_this_very_connection(rehearsed: Wire) -> None:
    client = rehearsed.connect()
    hello, *_, own_id = answers(rehearsed, client, *FIRST, ("CLIENT", "ID"))
    told = dict(getattr(hello, "pairs", ()))
    assert told[b"id"] == own_id


def test_the_server_runs_the_set_up_that_the_client_says(rehearsed: Wire, control: Control) -> None:
    answers(rehearsed, rehearsed.connect(), *FIRST)
    control.call("SELECT", 3)
    assert control.call("GET", "k") == b"v"


@pytest.mark.parametrize("before", range(3), ids=["at once", "after one", "after two"])
def test_a_client_that_says_less_than_the_last_time_has_said_only_that(
    rehearsed: Wire, control: Control, before: int
) -> None:
    client = rehearsed.connect()
    *_, name = answers(
        rehearsed, client, *FIRST[:before], ("SET", "other", "w"), ("CLIENT", "GETNAME")
    )
    assert name is None
    control.call("SELECT", 3 if before == 2 else 0)
    assert control.call("GET", "other") == b"w"


def test_a_client_that_says_something_else_than_the_last_time_is_answered_that(
    rehearsed: Wire,
) -> None:
    client = rehearsed.connect()
    hello, named, name = answers(
        rehearsed, client, ("HELLO", "2"), ("CLIENT", "SETNAME", "second"), ("CLIENT", "GETNAME")
    )
    assert isinstance(hello, tuple)
    assert (named, name) == ("OK", b"second")


def test_a_set_up_that_comes_in_one_piece_with_a_command_is_answered_in_order(
    rehearsed: Wire,
) -> None:
    client = rehearsed.connect()
    rehearsed.send(client, *FIRST)
    reader = ReplyReader()
    assert [next_answer(rehearsed, client, reader) for _ in FIRST][1:] == ["OK", "OK", "OK"]


def test_no_set_up_is_rehearsed_for_another_director(rehearsed: Wire) -> None:
    rehearsed.listener.director = director = PlannedDirector()
    answers(rehearsed, rehearsed.connect(), *FIRST)
    assert [name for name, _ in director.done_commands] == ["HELLO", "SELECT", "CLIENT", "SET"]


def test_a_set_up_that_comes_byte_by_byte_is_answered(rehearsed: Wire) -> None:
    client = rehearsed.connect()
    for byte in b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n":
        client.sendall(bytes([byte]))
        rehearsed.loop.step(0.05)
    assert next_answer(rehearsed, client, ReplyReader()) is not None


def test_the_commands_after_a_set_up_are_directed(rehearsed: Wire) -> None:
    before = len(rehearsed.director.done_commands)
    answers(rehearsed, rehearsed.connect(), *FIRST)
    assert [name for name, _ in rehearsed.director.done_commands[before:]] == ["SET"]


def test_a_fault_befalls_the_first_command_after_a_set_up(
    rehearsed: Wire, control: Control
) -> None:
    rehearsed.place("cut-before", rehearsed.director.count + 1)
    client = rehearsed.connect()
    answers(rehearsed, client, *FIRST[:3])
    rehearsed.send(client, ("SET", "other", "w"))
    rehearsed.turn()
    client.setblocking(True)
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    control.call("SELECT", 3)
    assert control.call("EXISTS", "other") == 0


def test_a_client_that_leaves_between_two_commands_of_its_set_up_has_not_given_up(
    rehearsed: Wire,
) -> None:
    before = rehearsed.director.gone
    client = rehearsed.connect()
    answers(rehearsed, client, FIRST[0])
    client.close()
    rehearsed.turn()
    assert (rehearsed.director.gone - before, rehearsed.director.gave_up) == (1, 0)


def test_a_client_that_gives_up_on_its_set_up_while_the_server_stands_still_is_noticed(
    rehearsed: Wire, server: Server
) -> None:
    server.stand_still()
    try:
        client = rehearsed.connect()
        rehearsed.send(client, FIRST[0])
        rehearsed.turn()
        client.close()
        rehearsed.turn()
    finally:
        server.go_on()
    assert rehearsed.director.gave_up == 1
