"""Every fault that the proxy makes: what the server ran, read from the server, and what the client saw."""

from __future__ import annotations

import socket

import pytest

from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.vocabulary import Executed
from tests.real.conftest import Wire

PUSH = ("RPUSH", "jobs", "job-1")


def length(control: Control) -> object:
    return control.call("LLEN", "jobs")


def pushed(wire: Wire, fault: str) -> socket.socket:
    """Push a job under a fault; return the client, once the fault has been injected."""
    wire.place(fault)
    client = wire.connect()
    wire.send(client, PUSH)
    assert wire.run_until_done(1)
    return client


def was_reset(client: socket.socket) -> bool:
    try:
        client.recv(100)
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return False


def was_silent(client: socket.socket) -> bool:
    try:
        client.recv(100)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    "fault", ["cut-before", "torn-first", "torn-middle", "torn-last", "refuse"]
)
def test_a_cut_on_the_way_in_resets_the_client_and_runs_nothing(
    wire: Wire, control: Control, fault: str
) -> None:
    client = pushed(wire, fault)
    assert wire.director.done_commands == [("RPUSH", Executed.NO)]
    assert (length(control), was_reset(client)) == (0, True)


def test_a_lost_reply_resets_the_client_after_the_server_ran_the_command(
    wire: Wire, control: Control
) -> None:
    client = pushed(wire, "lost-reply")
    assert wire.director.done_commands == [("RPUSH", Executed.YES)]
    assert (length(control), was_reset(client)) == (1, True)


def test_a_lost_reply_with_fin_looks_like_an_orderly_end(wire: Wire, control: Control) -> None:
    client = pushed(wire, "lost-reply-fin")
    assert (length(control), client.recv(100)) == (1, b"")


def test_a_stalled_reply_stays_out_though_the_server_ran_the_command(
    wire: Wire, control: Control
) -> None:
    client = pushed(wire, "stall")
    assert (length(control), was_silent(client)) == (1, True)


def test_a_stalled_reply_arrives_first_if_its_client_uses_the_connection_again(
    wire: Wire, control: Control
) -> None:
    client = pushed(wire, "stall")
    wire.send(client, PUSH)
    assert wire.run_until_done(2)
    assert (length(control), client.recv(100)) == (2, b":1\r\n:2\r\n")


def test_a_black_hole_passes_nothing_and_closes_nothing(wire: Wire, control: Control) -> None:
    client = pushed(wire, "black-hole")
    wire.send(client, PUSH)
    wire.turn()
    assert (length(control), was_silent(client)) == (0, True)


def test_a_late_command_runs_after_its_client_has_left(wire: Wire, control: Control) -> None:
    client = pushed(wire, "late")
    client.close()
    assert wire.loop.run_until(lambda: wire.director.gone == 1, 5.0)
    before = length(control)
    replies: list[object] = []
    wire.director.held[0].release_held(replies.append)
    assert wire.loop.run_until(lambda: bool(replies), 5.0)
    assert (before, length(control)) == (0, 1)


def test_refused_connections_are_refused_by_the_kernel_until_they_are_accepted_again(
    wire: Wire,
) -> None:
    wire.listener.refuse()
    with pytest.raises(ConnectionRefusedError):
        wire.connect()
    wire.listener.accept_again()
    client = wire.connect()
    wire.send(client, ("PING",))
    assert wire.run_until_done(1)
    assert client.recv(100) == b"+PONG\r\n"


@pytest.mark.parametrize("fault", ["slow", "slice", "slice=1", "bandwidth", "bandwidth=1"])
def test_pace_changes_no_byte(wire: Wire, fault: str) -> None:
    wire.place(fault)
    client = wire.connect()
    wire.send(client, ("ECHO", "abcdefghijklmnopqrstuvwxyz"))
    assert wire.run_until_done(1)
    assert client.recv(100) == b"$26\r\nabcdefghijklmnopqrstuvwxyz\r\n"


@pytest.mark.parametrize("inside", [1, 2, 3])
@pytest.mark.parametrize("fault", ["cut-before", "torn-middle"])
def test_a_cut_inside_a_transaction_runs_none_of_it(
    wire: Wire, control: Control, fault: str, inside: int
) -> None:
    wire.place(fault, 1, inside)
    client = wire.connect()
    wire.send(client, ("MULTI",), PUSH, ("RPUSH", "jobs", "job-2"), ("EXEC",))
    assert wire.loop.run_until(lambda: not wire.listener.links, 5.0)
    assert length(control) == 0


def test_a_lost_reply_of_exec_leaves_the_whole_transaction(wire: Wire, control: Control) -> None:
    wire.place("lost-reply", 1, 0)
    client = wire.connect()
    wire.send(client, ("MULTI",), PUSH, ("RPUSH", "jobs", "job-2"), ("EXEC",))
    assert wire.run_until_done(4)
    assert length(control) == 2


def test_a_transaction_typed_step_by_step_is_one_event_as_well(
    wire: Wire, control: Control
) -> None:
    wire.place("cut-before", 1, 0)
    client = wire.connect()
    for command in (("MULTI",), PUSH):
        done = len(wire.director.done_commands)
        wire.send(client, command)
        assert wire.run_until_done(done + 1)
    wire.send(client, ("EXEC",))
    assert wire.run_until_done(3)
    assert length(control) == 0


def test_commands_sent_in_one_write_are_events_of_their_own(wire: Wire, control: Control) -> None:
    wire.place("cut-before", 2)
    client = wire.connect()
    wire.send(client, PUSH, PUSH, PUSH)
    assert wire.run_until_done(2)
    assert length(control) == 1


def test_connection_setup_is_not_counted(wire: Wire) -> None:
    wire.place("cut-before", 1)
    client = wire.connect()
    wire.send(client, ("HELLO", "3"), ("CLIENT", "SETNAME", "x"), PUSH)
    assert wire.run_until_done(3)
    assert [name for name, _ in wire.director.done_commands] == ["HELLO", "CLIENT", "RPUSH"]
    assert wire.director.done_commands[-1][1] is Executed.NO
