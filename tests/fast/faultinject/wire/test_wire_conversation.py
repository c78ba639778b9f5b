"""What a conversation makes of a client's commands: their kind, their place in a block, the replies they are owed."""

from __future__ import annotations

import pytest

from midpipe.faultinject.wire.commands import CommandSpec, CommandTable
from midpipe.faultinject.wire.conversation import Conversation, Kind, ReceivedCommand
from midpipe.faultinject.wire.resp import encode_command

TABLE = CommandTable({b"GET": CommandSpec(b"GET", frozenset({"readonly"}), None)})


def heard(*commands: tuple[str, ...]) -> list[ReceivedCommand]:
    conversation = Conversation(TABLE)
    conversation.receive_from_client(b"".join(encode_command(*command) for command in commands))
    found = []
    while (one := conversation.next_command()) is not None:
        found.append(one)
    return found


@pytest.mark.parametrize("name", ["HELLO", "auth", "SELECT", "CLIENT", "READONLY", "RESET"])
def test_connection_setup_is_no_event(name: str) -> None:
    assert [one.kind for one in heard((name, "x"))] == [Kind.SETUP]


def test_a_transaction_is_one_event_with_positions_inside() -> None:
    found = heard(("MULTI",), ("SET", "k", "1"), ("INCR", "k"), ("EXEC",), ("GET", "k"))
    assert [(one.kind, one.inside) for one in found] == [
        (Kind.INSIDE, 1),
        (Kind.INSIDE, 2),
        (Kind.INSIDE, 3),
        (Kind.EVENT, 0),
        (Kind.EVENT, 0),
    ]
    assert [command.name for command in found[3].block] == [b"MULTI", b"SET", b"INCR"]


def test_a_discarded_transaction_is_an_event_too() -> None:
    found = heard(("MULTI",), ("SET", "k", "1"), ("DISCARD",))
    assert (found[2].kind, len(found[2].block)) == (Kind.EVENT, 2)


def test_setup_commands_inside_a_transaction_are_queued_like_any() -> None:
    assert heard(("MULTI",), ("SELECT", "1"), ("EXEC",))[1].inside == 2


def test_a_subscription_is_owed_a_reply_for_each_channel() -> None:
    assert [one.replies for one in heard(("SUBSCRIBE", "a", "b"), ("UNSUBSCRIBE",))] == [2, 1]


def test_nothing_is_owed_while_replies_are_off() -> None:
    found = heard(("CLIENT", "REPLY", "OFF"), ("GET", "k"), ("CLIENT", "REPLY", "ON"), ("GET", "k"))
    assert [one.replies for one in found] == [0, 0, 1, 1]


def test_a_skipped_reply_is_the_next_one_only() -> None:
    found = heard(("CLIENT", "REPLY", "SKIP"), ("GET", "k"), ("GET", "k"))
    assert [one.replies for one in found] == [0, 0, 1]


def test_replies_are_counted_as_they_come_in_any_pieces() -> None:
    conversation = Conversation(TABLE)
    for byte in b"+OK\r\n:1\r\n":
        conversation.receive_from_server(bytes([byte]))
    values = [reply.value for reply in iter(conversation.next_reply, None)]
    assert values == ["OK", 1]
