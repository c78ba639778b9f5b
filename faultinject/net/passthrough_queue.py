"""Commands of one connection that pass through together: sent at once, answered in order. Sans I/O.

The queue says what to send to either side, which commands are complete, and what is known of commands whose replies
will never arrive. The owner of the sockets sends the bytes and reports to the director.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.faultinject.wire.resp import Command, Reply


@dataclass(slots=True)
class _Pending:
    """A command without its full answer: the number of replies still owed, and the last reply so far."""

    received: ReceivedCommand
    owed: int
    reply: Reply | None = None
    is_sent: bool = False


class PassthroughQueue:
    """The pass-through commands that are not answered yet, in the order in which the client sent them.

    Args:
        is_unsolicited: whether a reply answers no command, given the command that waits for its reply.
    """

    def __init__(self, is_unsolicited: Callable[[Reply, Command], bool]) -> None:
        self._is_unsolicited = is_unsolicited
        self._pending: deque[_Pending] = deque()
        self._completed: list[tuple[ReceivedCommand, Reply | None]] = []
        self._to_server: list[bytes] = []
        self._to_client: list[bytes] = []

    def __bool__(self) -> bool:
        """Whether a command is not answered yet."""
        return bool(self._pending)

    @property
    def has_to_send(self) -> bool:
        """Whether commands wait to be sent to the server."""
        return bool(self._to_server)

    def add(self, received: ReceivedCommand) -> None:
        """Append a command."""
        self._pending.append(_Pending(received, received.replies))
        self._to_server.append(received.command.raw)

    def take_for_server(self) -> bytes:
        """Return the bytes to send to the server, and count them as sent."""
        for pending in self._pending:
            pending.is_sent = True
        data = b"".join(self._to_server)
        self._to_server.clear()
        self._complete_answered()
        return data

    def add_reply(self, reply: Reply) -> None:
        """Pass a reply on, and count it for the first command that is owed one, unless it is a push."""
        pending = self._pending[0]
        self._to_client.append(reply.raw)
        if self._is_unsolicited(reply, pending.received.command):
            return
        pending.reply = reply
        pending.owed -= 1
        self._complete_answered()

    def take_for_client(self) -> bytes:
        """Return the bytes to send to the client, and count them as sent."""
        data = b"".join(self._to_client)
        self._to_client.clear()
        return data

    def take_completed(self) -> list[tuple[ReceivedCommand, Reply | None]]:
        """Return the commands completed since the last call, each with its last reply."""
        completed, self._completed = self._completed, []
        return completed

    def abort(self) -> list[tuple[ReceivedCommand, Executed]]:
        """The server has gone: drop the unanswered commands, and return for each whether the server ran it."""
        left = [(p.received, Executed.UNKNOWN if p.is_sent else Executed.NO) for p in self._pending]
        self._pending.clear()
        self._to_server.clear()
        return left

    def _complete_answered(self) -> None:
        while self._pending and self._pending[0].owed <= 0 and self._pending[0].is_sent:
            pending = self._pending.popleft()
            self._completed.append((pending.received, pending.reply))
