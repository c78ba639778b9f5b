"""The conversation on one connection, sans I/O: bytes in, complete commands and replies out.

It classifies the commands (handshake, queued inside MULTI … EXEC, event) and knows how many replies the server owes
for each, so that a proxy can address "the k-th command". It never writes, never waits, and knows no fault and no
client by name.

Replies are counted, not matched to commands, because Redis replies in order. A RESP3 push is the reply to no command.
"""

from __future__ import annotations

from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.readers import CommandReader, ReplyReader
from midpipe.faultinject.wire.received import Kind, ReceivedCommand
from midpipe.faultinject.wire.resp import Command, Reply

SUBSCRIBING = frozenset(
    (b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE")
)
_MESSAGES = ((b"message",), (b"pmessage",), (b"smessage",))


class Conversation:
    """The two byte streams of one connection.

    Args:
        table: the server's command table.

    Attributes:
        handshake: the handshake commands before the client's first other command.
        is_handshake_over: whether the client has sent another command.
    """

    def __init__(self, table: CommandTable) -> None:
        self._table = table
        self._commands = CommandReader()
        self._replies = ReplyReader()
        self._block: list[Command] = []
        self._reply_off = False
        self._skip_next = False
        self._has_subscribed = False
        self.handshake: list[Command] = []
        self.is_handshake_over = False

    def receive_from_client(self, data: bytes) -> None:
        """Add bytes that the client sent."""
        self._commands.feed(data)

    def receive_from_server(self, data: bytes) -> None:
        """Add bytes that the server sent."""
        self._replies.feed(data)

    def next_reply(self) -> Reply | None:
        """Return the next complete reply or push; None if more bytes are needed. Raises ProtocolError."""
        return self._replies.next_reply()

    def next_command(self) -> ReceivedCommand | None:
        """Return the next complete command; None if more bytes are needed. Raises ProtocolError."""
        command = self._commands.next_command()
        if command is None:
            return None
        name = command.name
        replies = self._replies_owed(command, name)
        if self._block:
            return self._received_inside(command, name, replies)
        if name == b"MULTI":
            self.is_handshake_over = True
            self._block.append(command)
            return ReceivedCommand(command, Kind.INSIDE, replies, inside=1)
        kind = Kind.SETUP if self._table.is_setup(command.args) else Kind.EVENT
        if kind is Kind.EVENT:
            self.is_handshake_over = True
        elif not self.is_handshake_over:
            self.handshake.append(command)
        return ReceivedCommand(command, kind, replies)

    def is_unsolicited(self, reply: Reply, command: Command | None) -> bool:
        """Whether a reply answers no command: a message to a subscriber, or another push.

        Args:
            command: the command that waits for its reply; None if none does. The confirmation of a subscription is
                its reply, although RESP3 sends it as a push.
        """
        kind = reply.value[:1] if isinstance(reply.value, tuple) else ()
        subscribes = command is not None and command.name in SUBSCRIBING
        # Not before the first subscription: an ordinary reply may look like a message.
        self._has_subscribed = self._has_subscribed or subscribes
        if reply.is_push:
            return not subscribes or kind in _MESSAGES
        return self._has_subscribed and kind in _MESSAGES

    def _received_inside(self, command: Command, name: bytes, replies: int) -> ReceivedCommand:
        if name in (b"EXEC", b"DISCARD", b"RESET"):
            block, self._block = tuple(self._block), []
            return ReceivedCommand(command, Kind.EVENT, replies, block=block)
        self._block.append(command)
        return ReceivedCommand(command, Kind.INSIDE, replies, inside=len(self._block))

    def _replies_owed(self, command: Command, name: bytes) -> int:
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
