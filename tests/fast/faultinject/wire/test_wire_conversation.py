"""How a conversation classifies a client's commands: kind, place in a block, and the replies that are owed."""

from __future__ import annotations

import pytest

from midpipe.faultinject.wire.commands import CommandSpec, CommandTable
from midpipe.faultinject.wire.conversation import Conversation
from midpipe.faultinject.wire.received import Kind, ReceivedCommand
from midpipe.faultinject.wire.resp import encode_command

TABLE = CommandTable({b"GET": CommandSpec(b"GET", frozenset({"readonly"}), None)})


def received(*commands: tuple[str, ...]) -> list[ReceivedCommand]:
    conversation = Conversation(TABLE)
    conversation.receive_from_client(b"".join(encode_command(*command) for command in commands))
    found = []
    while (one := conversation.next_command()) is not None:
        found.append(one)
    return found


@pytest.mark.parametrize("name", ["HELLO", "auth", "SELECT", "CLIENT", "READONLY", "RESET"])
def test_a_handshake_command_is_no_event(name: str) -> None:
    assert [one.kind for one in received((name, "x"))] == [Kind.SETUP]


def test_a_transaction_is_one_event_with_positions_inside() -> None:
    found = received(("MULTI",), ("SET", "k", "1"), ("INCR", "k"), ("EXEC",), ("GET", "k"))
    assert [(one.kind, one.inside) for one in found] == [
        (Kind.INSIDE, 1),
        (Kind.INSIDE, 2),
        (Kind.INSIDE, 3),
        (Kind.EVENT, 0),
        (Kind.EVENT, 0),
    ]
    assert [command.name for command in found[3].block] == [b"MULTI", b"SET", b"INCR"]


def test_a_discarded_transaction_is_an_event_too() -> None:
    found = received(("MULTI",), ("SET", "k", "1"), ("DISCARD",))
    assert (found[2].kind, len(found[2].block)) == (Kind.EVENT, 2)


def test_handshake_commands_inside_a_transaction_are_queued() -> None:
    assert received(("MULTI",), ("SELECT", "1"), ("EXEC",))[1].inside == 2


def test_a_subscription_gets_a_reply_for_each_channel() -> None:
    assert [one.replies for one in received(("SUBSCRIBE", "a", "b"), ("UNSUBSCRIBE",))] == [2, 1]


def test_no_reply_is_owed_while_replies_are_off() -> None:
    found = received(
        ("CLIENT", "REPLY", "OFF"), ("GET", "k"), ("CLIENT", "REPLY", "ON"), ("GET", "k")
    )
    assert [one.replies for one in found] == [0, 0, 1, 1]


def test_skip_affects_only_the_next_reply() -> None:
    found = received(("CLIENT", "REPLY", "SKIP"), ("GET", "k"), ("GET", "k"))
    assert [one.replies for one in found] == [0, 0, 1]


def test_replies_are_parsed_at_any_split() -> None:
    conversation = Conversation(TABLE)
    for byte in b"+OK\r\n:1\r\n":
        conversation.receive_from_server(bytes([byte]))
    values = [reply.value for reply in iter(conversation.next_reply, None)]
    assert values == ["OK", 1]
