"""One connection's conversation, sans I/O: bytes in, commands and whole replies out.

It knows which commands set a connection up, which are queued inside MULTI … EXEC, and how many replies the
server owes for each, so that whoever stands between client and server can treat "the k-th command" as a
thing. It never writes, never waits, and knows no fault and no client's name.

Replies are counted, not matched: Redis answers in order. Pushes (RESP3) are nobody's answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.readers import CommandReader, ReplyReader
from midpipe.faultinject.wire.resp import Command, Reply

SUBSCRIBING = frozenset(
    (b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE")
)


_MESSAGES = ((b"message",), (b"pmessage",), (b"smessage",))


class Kind(Enum):
    """What a command is to the conversation."""

    SETUP = "setup"
    INSIDE = "inside"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class ReceivedCommand:
    """A command heard from the client.

    Args:
        replies: replies the server owes for it; 0 with CLIENT REPLY OFF or SKIP.
        inside: of a command queued in MULTI … EXEC its number from 1 (MULTI is 1); 0 otherwise.
        block: of the EXEC or DISCARD that ends a block, the commands before it, MULTI first.
    """

    command: Command
    kind: Kind
    replies: int = 1
    inside: int = 0
    block: tuple[Command, ...] = ()


class Conversation:
    """The two byte streams of one connection.

    Attributes:
        set_up: what the client said before its first other command, as far as it has.
        is_set_up: it has sent another command.
    """

    def __init__(self, table: CommandTable) -> None:
        self._table = table
        self._commands = CommandReader()
        self._replies = ReplyReader()
        self._block: list[Command] = []
        self._reply_off = False
        self._skip_next = False
        self._listens = False
        self.set_up: list[Command] = []
        self.is_set_up = False

    def hear_client(self, data: bytes) -> None:
        """Take bytes that the client sent."""
        self._commands.feed(data)

    def hear_server(self, data: bytes) -> None:
        """Take bytes that the server sent."""
        self._replies.feed(data)

    def next_reply(self) -> Reply | None:
        """Return the next whole reply or push, or None. Raises ProtocolError."""
        return self._replies.next_reply()

    def next_heard(self) -> ReceivedCommand | None:
        """Return the next whole command, or None if more bytes are needed. Raises ProtocolError."""
        command = self._commands.next_command()
        if command is None:
            return None
        name = command.name
        replies = self._owed(command, name)
        if self._block:
            return self._inside(command, name, replies)
        if name == b"MULTI":
            self.is_set_up = True
            self._block.append(command)
            return ReceivedCommand(command, Kind.INSIDE, replies, inside=1)
        kind = Kind.SETUP if self._table.is_setup(command.args) else Kind.EVENT
        if kind is Kind.EVENT:
            self.is_set_up = True
        elif not self.is_set_up:
            self.set_up.append(command)
        return ReceivedCommand(command, kind, replies)

    def is_unasked(self, reply: Reply, command: Command | None) -> bool:
        """Whether the server sent this by itself: a message to a subscriber, or another push.

        Args:
            command: the command under way; what confirms a subscription is its answer, though RESP3 pushes it.
        """
        kind = reply.value[:1] if isinstance(reply.value, tuple) else ()
        subscribes = command is not None and command.name in SUBSCRIBING
        # Only from here on: a reply to a command before it may look like a message.
        self._listens = self._listens or subscribes
        if reply.is_push:
            return not subscribes or kind in _MESSAGES
        return self._listens and kind in _MESSAGES

    def _inside(self, command: Command, name: bytes, replies: int) -> ReceivedCommand:
        if name in (b"EXEC", b"DISCARD", b"RESET"):
            block, self._block = tuple(self._block), []
            return ReceivedCommand(command, Kind.EVENT, replies, block=block)
        self._block.append(command)
        return ReceivedCommand(command, Kind.INSIDE, replies, inside=len(self._block))

    def _owed(self, command: Command, name: bytes) -> int:
        if name == b"CLIENT" and len(command.args) >= 3 and command.args[1].upper() == b"REPLY":
            return self._reply_mode(command.args[2].upper())
        if self._skip_next:
            self._skip_next = False
            return 0
        if self._reply_off:
            return 0
        if name in SUBSCRIBING:
            return max(1, len(command.args) - 1)
        return 1

    def _reply_mode(self, mode: bytes) -> int:
        if mode == b"ON":
            self._reply_off = False
            return 1
        if mode == b"OFF":
            self._reply_off = True
        elif mode == b"SKIP":
            self._skip_next = True
        return 0
