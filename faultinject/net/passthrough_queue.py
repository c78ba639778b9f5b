"""The commands of one connection that pass together: sent at once, answered in order, sans I/O.

It knows what is to be sent to either side, which commands are over, and what is known of those that never will be.
Whoever owns the sockets sends, and tells the director.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.conversation import Conversation, ReceivedCommand
from midpipe.faultinject.wire.resp import Reply


@dataclass(slots=True)
class _Passing:
    """A command that passes: how many replies are still owed for it, and the last one that came."""

    heard: ReceivedCommand
    owed: int
    reply: Reply | None = None
    is_sent: bool = False


class PassthroughQueue:
    """Commands that pass, those not answered yet in the order in which they were heard."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._ahead: deque[_Passing] = deque()
        self._over: list[tuple[ReceivedCommand, Reply | None]] = []
        self._to_server: list[bytes] = []
        self._to_client: list[bytes] = []

    def __bool__(self) -> bool:
        """Whether a command is not answered yet."""
        return bool(self._ahead)

    @property
    def has_to_send(self) -> bool:
        """Whether commands wait for being sent to the server."""
        return bool(self._to_server)

    def add(self, heard: ReceivedCommand) -> None:
        """A command passes, behind those that do already."""
        self._ahead.append(_Passing(heard, heard.replies))
        self._to_server.append(heard.command.raw)

    def taken_for_server(self) -> bytes:
        """Return the bytes that the server is to be sent; they count as sent."""
        for passing in self._ahead:
            passing.is_sent = True
        data = b"".join(self._to_server)
        self._to_server.clear()
        self._end_answered()
        return data

    def reply_came(self, reply: Reply) -> None:
        """Have a reply pass: to the first command that is owed one, unless the server was not asked."""
        passing = self._ahead[0]
        self._to_client.append(reply.raw)
        if self._conversation.is_unasked(reply, passing.heard.command):
            return
        passing.reply = reply
        passing.owed -= 1
        self._end_answered()

    def taken_for_client(self) -> bytes:
        """Return the bytes that the client is to be sent; they count as sent."""
        data = b"".join(self._to_client)
        self._to_client.clear()
        return data

    def taken_over(self) -> list[tuple[ReceivedCommand, Reply | None]]:
        """Return the commands that are over since the last time, each with its reply."""
        over, self._over = self._over, []
        return over

    def broken_off(self) -> list[tuple[ReceivedCommand, Executed]]:
        """The server is gone: return what is known of each command that was not answered, and forget them."""
        left = [(p.heard, Executed.UNKNOWN if p.is_sent else Executed.NO) for p in self._ahead]
        self._ahead.clear()
        self._to_server.clear()
        return left

    def _end_answered(self) -> None:
        while self._ahead and self._ahead[0].owed <= 0 and self._ahead[0].is_sent:
            passing = self._ahead.popleft()
            self._over.append((passing.heard, passing.reply))
