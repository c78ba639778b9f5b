"""One client connection and its connection to the server: carries out what the director decides.

The link takes one command at a time: it asks the director, applies the effects, and reports to the director when the
server has answered or the connection has ended. It knows no fault by name, no schedule and no queue. Bytes that pass,
pass unchanged.

Commands of a pipeline that the director declares pass-through are sent together, and so are their replies. A command
that may meet a fault, or that belongs to the handshake, is submitted to the director once all before it are answered.
So a director sees the same commands and the same outcomes, each in the same order, either way.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from midpipe.faultinject.faults.effects import PASS, Close, Deliver, WireEffects
from midpipe.faultinject.net.director import Director, PassingDirector
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.outbox import Outbox
from midpipe.faultinject.net.pacing import send_paced
from midpipe.faultinject.net.passthrough_queue import PassthroughQueue
from midpipe.faultinject.net.reading import is_ended, receive
from midpipe.faultinject.net.stream import RESET_ON_CLOSE
from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.conversation import Conversation
from midpipe.faultinject.wire.received import Kind, ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply


class Link:
    """One connection through the proxy, with its conversation. Makes both sockets non-blocking, and closes them.

    Attributes:
        conversation: the commands and replies so far.
        held: the command that waits for ``release_held``; None if none does.
        was_closed_by_client: the client has closed its side.
        is_silent: a fault lets no reply pass until the client closes the connection, or uses it again.
        on_used_again: called when the client has sent more while a command is held; it may call ``release_held``,
            because TCP keeps the order. What was sent then follows.

    Args:
        table: the server's command table.
        director: asked at every command.
        on_closed: called when the client's side is closed.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        client: socket.socket,
        server: socket.socket,
        table: CommandTable,
        director: Director,
        on_closed: Callable[[Link], None],
    ) -> None:
        self._loop = loop
        self._client: socket.socket | None = client
        self._server: socket.socket | None = server
        self._director = director
        self._on_closed = on_closed
        self.conversation = Conversation(table)
        self._current: ReceivedCommand | None = None
        self._effects = PASS
        self._owed = 0
        self._answer: list[bytes] = []
        self._last_reply: Reply | None = None
        self.is_silent = False
        self._stalled = b""
        self._passthrough = PassthroughQueue(self.conversation.is_unsolicited)
        self._passes_through = False
        self._violation: ProtocolError | None = None
        self._is_advancing = False
        self._late: Callable[[Reply | None], None] | None = None
        self.held: ReceivedCommand | None = None
        self.was_closed_by_client = False
        self.on_used_again: Callable[[], object] | None = None
        self._is_used_again = False
        for side in (client, server):
            if side.gettimeout() != 0.0:
                side.setblocking(False)
        # A failed write needs no handling: a peer that is gone also shows as a readable event.
        self._outboxes = {side: Outbox(loop, side) for side in (client, server)}
        loop.watch_readable(client, self._client_readable)
        loop.watch_readable(server, self._server_readable)

    @property
    def is_open(self) -> bool:
        """Whether the client's side is still connected."""
        return self._client is not None

    def carry_out(self, received: ReceivedCommand, effects: WireEffects) -> None:
        """Apply effects to the parked command; ends in ``director.done``."""
        self._effects = effects
        if self._passes_through:
            assert effects is PASS, "the director placed a fault at a pass-through command"
            self._current = None
            self._passthrough.add(received)
            return
        deliver = effects.deliver
        raw = received.command.raw
        if deliver is Deliver.ALL and self.has_server_hung_up():
            self._server_gone()
        elif deliver is Deliver.ALL:
            self._owed = received.replies
            self._send_paced(self._server, raw, self._delivered)
        elif deliver is Deliver.PART:
            self._send(self._server, raw[: effects.part])
            self._end_event(Executed.NO)
        elif deliver is Deliver.UNANSWERED:
            self._send(self._server, raw)
            self._end_event(Executed.UNKNOWN)
        elif deliver is Deliver.HELD:
            self.held = received
            self._end_event(Executed.UNKNOWN)
        else:
            self._end_event(Executed.NO)

    def take_over(self, data: bytes) -> None:
        """Continue a connection that was served by other code so far.

        Args:
            data: bytes that were read from the client and not sent on.
        """
        self.conversation.receive_from_client(data)
        self._advance()

    def has_server_hung_up(self, within_s: float = 0.0) -> bool:
        """Whether the server has closed the connection, and so can't run a command sent now.

        Args:
            within_s: how long to wait for the close, in seconds; a port mapping in between may pass it on late.
        """
        return self._server is None or is_ended(self._server, within_s)

    def release_held(self, on_reply: Callable[[Reply | None], None]) -> None:
        """Deliver the held command to the server now.

        Args:
            on_reply: called with the reply; None if the server had gone before. If there is ``on_used_again``, a client
                that has kept the connection reads it once it uses the connection again.
        """
        held, self.held = self.held, None
        if held is None or self._server is None:
            on_reply(None)
            return
        self._last_reply = None
        self._owed = held.replies
        self._late = on_reply
        self._send(self._server, held.command.raw)
        if self._owed == 0:
            self._finish_late()

    def let_all_pass(self) -> None:
        """Let what the client sends from now on pass; if a command of it still waits, close the connection."""
        if self._current is None:
            self._director = PassingDirector()
        else:
            self.close()

    def close(self, how: Close = Close.FIN) -> None:
        """Close both sides.

        Args:
            how: the client's side is reset with RESET, and closed in order otherwise.
        """
        self._close_client(how)
        self._close_server()

    def _client_readable(self) -> None:
        data = receive(self._client) if self._client else b""
        if data is None:
            return
        if not data:
            self.was_closed_by_client = True
            mid_command = self._current is not None or bool(self._passthrough)
            self._close_client(Close.FIN)
            if self.held is None and self._late is None:
                self._close_server()
            self._director.client_gone(self, mid_command=mid_command)
            return
        if self.is_silent and self.on_used_again and (self.held or self._late):
            self.conversation.receive_from_client(data)
            self._is_used_again = True
            if self.held:
                self.on_used_again()
            return
        if self.is_silent and not self._stalled:
            return
        self.conversation.receive_from_client(data)
        self._speak_again()

    def _speak_again(self) -> None:
        """Go on after a silence: the client has moved on, and the reply that was held arrives first."""
        if self.is_silent:
            self._send(self._client, self._stalled)
            self._stalled, self.is_silent = b"", False
        self._advance()

    def _server_readable(self) -> None:
        data = receive(self._server) if self._server else b""
        if data is None:
            return
        if not data:
            self._server_gone()
            return
        self.conversation.receive_from_server(data)
        try:
            while (reply := self.conversation.next_reply()) is not None:
                if self._passthrough:
                    self._passthrough.add_reply(reply)
                else:
                    self._complete_passthrough()
                    self._take_reply(reply)
        except ProtocolError as error:
            self._complete_passthrough()
            self._violated(error)
            return
        self._complete_passthrough()

    def _send_passthrough(self) -> None:
        """Send the pass-through commands to the server, and complete those that it owes no reply."""
        if not self._passthrough.has_to_send:
            return
        if self.has_server_hung_up():
            self._server_gone()
            return
        self._send(self._server, self._passthrough.take_for_server())
        self._complete_passthrough()

    def _complete_passthrough(self) -> None:
        """Send the replies to the client, report their commands as done, and continue with what waits."""
        self._send(self._client, self._passthrough.take_for_client())
        completed = self._passthrough.take_completed()
        for received, reply in completed:
            self._director.done(self, received, Executed.YES, reply)
        if completed and not self._passthrough:
            self._resume()

    def _resume(self) -> None:
        """All before are answered: submit the command that waits, or report the bytes that are no command."""
        if self._violation is not None:
            error, self._violation = self._violation, None
            self._violated(error)
        elif self._current is not None:
            self._submit(self._current)
        self._advance()

    def _violated(self, error: ProtocolError) -> None:
        self._director.violated_protocol(self, error)
        self.close(Close.RESET)

    def _take_reply(self, reply: Reply) -> None:
        if self.is_silent and self._effects.deliver is Deliver.UNANSWERED:
            # The server continues. A client that kept the connection gets the reply when it uses it again.
            self._stalled += reply.raw
            return
        current = self._current.command if self._current is not None else None
        if self.conversation.is_unsolicited(reply, current):
            if self._owed > 0:
                self._answer.append(reply.raw)
            else:
                self._send(self._client, reply.raw)
            return
        self._answer.append(reply.raw)
        self._last_reply = reply
        self._owed -= 1
        if self._owed <= 0:
            if self._late is not None:
                self._finish_late()
            elif self._current is not None:
                self._answered()

    def _finish_late(self) -> None:
        on_reply, self._late = self._late, None
        keeps = self.is_open and self.on_used_again is not None
        self._stalled = b"".join(self._answer) if keeps else b""
        self._answer.clear()
        if not keeps:
            self._close_server()
        if on_reply is not None:
            on_reply(self._last_reply)
        if self._is_used_again:
            self._is_used_again = False
            self._speak_again()

    def _advance(self) -> None:
        """Take the client's next commands, as far as they have arrived and need not wait."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while self._may_take_next:
                self._current = received = self.conversation.next_command()
                if received is None:
                    break
                self._passes_through = (
                    received.kind is not Kind.SETUP and self._director.is_passthrough(received)
                )
                if self._passes_through or not self._passthrough:
                    self._submit(received)
        except ProtocolError as error:
            self._violation = error
        finally:
            self._is_advancing = False
        self._send_passthrough()
        if self._violation is not None and not self._passthrough:
            self._resume()

    @property
    def _may_take_next(self) -> bool:
        is_open = self._client is not None and not self.is_silent
        return is_open and self._current is None and self._violation is None

    def _submit(self, received: ReceivedCommand) -> None:
        self._last_reply = None
        if received.kind is Kind.SETUP:
            self.carry_out(received, self._director.setup(self, received))
        elif received.kind is not Kind.INSIDE:
            self._director.parked(self, received)
        elif (effects := self._director.inside(self, received)) is not None:
            self.carry_out(received, effects)

    def _delivered(self) -> None:
        if self._owed == 0:
            self._answered()

    def _answered(self) -> None:
        answer = b"".join(self._answer)
        self._answer.clear()
        if self._effects.reply_passes and self._effects.close is Close.FIN:
            if self._client is not None:
                self._outboxes[self._client].send_last(answer)
            self._end_event(Executed.YES)
        elif self._effects.reply_passes:
            self._send_paced(self._client, answer, lambda: self._end_event(Executed.YES))
        else:
            self._stalled = answer if self._effects.waits else b""
            self._end_event(Executed.YES)

    def _end_event(self, executed: Executed) -> None:
        received, self._current = self._current, None
        effects = self._effects
        if effects.close is not Close.NO:
            self.close(effects.close)
        elif effects.waits:
            self.is_silent = True
        if received is not None:
            self._director.done(self, received, executed, self._last_reply)
        self._advance()

    def _server_gone(self) -> None:
        if self._late is not None:
            self._last_reply = None
            self._is_used_again = False
            self._finish_late()
            self.close()
            return
        received, self._current = self._current, None
        owed, self._owed = self._owed, 0
        self.held = None
        aborted = self._passthrough.abort()
        self.close(Close.FIN)
        for passing, passing_executed in aborted:
            self._director.done(self, passing, passing_executed, None)
        if received is not None:
            # Not delivered yet, so never executed.
            executed = Executed.UNKNOWN if owed > 0 else Executed.NO
            self._director.done(self, received, executed, None)
        self._director.client_gone(self, mid_command=False)

    def _send_paced(self, to: socket.socket | None, data: bytes, then: Callable[[], None]) -> None:
        send_paced(self._loop, lambda piece: self._send(to, piece), data, self._effects, then)

    def _send(self, to: socket.socket | None, data: bytes) -> None:
        if to is not None and data:
            self._outboxes[to].send(data)

    def _close_client(self, how: Close) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if how is Close.RESET:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._loop.forget(client)
            client.close()
        else:
            self._outboxes[client].close()
        self._on_closed(self)

    def _close_server(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        self._outboxes[server].close()
