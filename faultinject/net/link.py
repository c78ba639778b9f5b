"""One client connection and its twin to the server: carries out what the director decided.

The link takes one command at a time. Each is shown to the director, carried out as its effects say, and
reported when the server has answered or the connection has ended. The link knows no fault by name, no
schedule and no queue. Bytes that are to pass, pass unchanged.

Those commands of a pipeline that surely pass do so together: they are sent at once, and so are their replies. One
that may be broken, or sets the connection up, is shown to the director when all before it are answered. So a director
is shown the same commands, and told the same of them, in the same order each.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from midpipe.faultinject.faults.effects import Close, Deliver, Effects
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.outbox import Outbox
from midpipe.faultinject.net.passthrough_queue import PassthroughQueue
from midpipe.faultinject.net.reading import received
from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.conversation import Conversation, Kind, ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply

PASS = Effects()
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)


class Director(Protocol):
    """Who is asked at every wire event of a client's links."""

    def is_passthrough(self, heard: ReceivedCommand) -> bool:
        """Whether it will let a command pass at once if it is shown it now, even before those ahead of it are done."""

    def setup(self, link: Link, heard: ReceivedCommand) -> Effects:
        """A command that sets the connection up, or one after a block that is not an event."""

    def inside(self, link: Link, heard: ReceivedCommand) -> Effects | None:
        """A command inside MULTI … EXEC, before EXEC; None has it wait as in ``parked``."""

    def parked(self, link: Link, heard: ReceivedCommand) -> None:
        """A command waits; the director calls ``link.carry_out`` when its turn has come."""

    def done(
        self, link: Link, heard: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        """A command that the link was told to carry out is over, as far as it will be."""

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        """The client closed or lost this connection; ``mid_command``: while it waited for an answer."""

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        """The client or the server sent what is not RESP."""


class Link:
    """One connection through the proxy, with its conversation. It makes both sockets non-blocking, and closes them."""

    def __init__(
        self,
        loop: Loop,
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
        self._silent = False
        self._train = PassthroughQueue(self.conversation)
        self._is_sure = False
        self._violation: ProtocolError | None = None
        self._is_advancing = False
        self._late: Callable[[Reply | None], None] | None = None
        self.held: ReceivedCommand | None = None
        for side in (client, server):
            if side.gettimeout() != 0.0:
                side.setblocking(False)
        # A peer that is gone tells by its own readable event, and is dealt with there.
        self._outboxes = {side: Outbox(loop, side) for side in (client, server)}
        loop.watch_readable(client, self._client_readable)
        loop.watch_readable(server, self._server_readable)

    @property
    def is_open(self) -> bool:
        """The client's side is still connected."""
        return self._client is not None

    def carry_out(self, heard: ReceivedCommand, effects: Effects) -> None:
        """Do to the parked command what the effects say; ends in ``director.done``."""
        self._effects = effects
        if self._is_sure:
            assert effects is PASS, "the director broke a command that was to pass"
            self._current = None
            self._train.add(heard)
            return
        deliver = effects.deliver
        raw = heard.command.raw
        if deliver is Deliver.ALL and self.has_server_hung_up():
            self._server_gone()
        elif deliver is Deliver.ALL:
            self._owed = heard.replies
            self._send_paced(self._server, raw, self._delivered)
        elif deliver is Deliver.PART:
            self._send(self._server, raw[: effects.part])
            self._end_event(Executed.NO)
        elif deliver is Deliver.UNANSWERED:
            self._send(self._server, raw)
            self._end_event(Executed.UNKNOWN)
        elif deliver is Deliver.HELD:
            self.held = heard
            self._end_event(Executed.UNKNOWN)
        else:
            self._end_event(Executed.NO)

    def take_over(self, data: bytes) -> None:
        """Go on with a connection that somebody else has kept until now: its client's next bytes are these."""
        self.conversation.hear_client(data)
        self._advance()

    def has_server_hung_up(self, within_s: float = 0.0) -> bool:
        """Whether the server closed the connection; then it surely runs no command that comes now.

        Args:
            within_s: how long to wait for it, if it was told to: what stands in between may pass it on late.
        """
        if self._server is None:
            return True
        poll = select.poll()
        poll.register(self._server, select.POLLIN)
        if not poll.poll(within_s * 1000):
            return False
        try:
            return self._server.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def release_held(self, received: Callable[[Reply | None], None]) -> None:
        """Deliver the held command to the server now; ``received`` gets the reply that nobody reads."""
        held, self.held = self.held, None
        if held is None or self._server is None:
            received(None)
            return
        self._last_reply = None
        self._owed = held.replies
        self._late = received
        self._send(self._server, held.command.raw)
        if self._owed == 0:
            self._finish_late()

    def close(self, how: Close = Close.FIN) -> None:
        """End both sides; the client's by a reset if asked."""
        self._close_client(how)
        self._close_server()

    def _client_readable(self) -> None:
        data = received(self._client) if self._client else b""
        if data is None:
            return
        if not data:
            mid_command = self._current is not None or bool(self._train)
            self._close_client(Close.FIN)
            if self.held is None and self._late is None:
                self._close_server()
            self._director.client_gone(self, mid_command=mid_command)
            return
        if self._silent:
            return
        self.conversation.hear_client(data)
        self._advance()

    def _server_readable(self) -> None:
        data = received(self._server) if self._server else b""
        if data is None:
            return
        if not data:
            self._server_gone()
            return
        self.conversation.hear_server(data)
        try:
            while (reply := self.conversation.next_reply()) is not None:
                if self._train:
                    self._train.reply_came(reply)
                else:
                    self._end_passing()
                    self._take_reply(reply)
        except ProtocolError as error:
            self._end_passing()
            self._violated(error)
            return
        self._end_passing()

    def _send_passing(self) -> None:
        """Send the server the commands that pass, and be done with those that it owes no reply."""
        if not self._train.has_to_send:
            return
        if self.has_server_hung_up():
            self._server_gone()
            return
        self._send(self._server, self._train.taken_for_server())
        self._end_passing()

    def _end_passing(self) -> None:
        """Send the client the replies that pass, tell that their commands are over, and go on with what waits."""
        self._send(self._client, self._train.taken_for_client())
        over = self._train.taken_over()
        for heard, reply in over:
            self._director.done(self, heard, Executed.YES, reply)
        if over and not self._train:
            self._go_on()

    def _go_on(self) -> None:
        """Nothing is on its way: go on with the command that waits for that, or with what was none."""
        if self._violation is not None:
            error, self._violation = self._violation, None
            self._violated(error)
        elif self._current is not None:
            self._show(self._current)
        self._advance()

    def _violated(self, error: ProtocolError) -> None:
        self._director.violated_protocol(self, error)
        self.close(Close.RESET)

    def _take_reply(self, reply: Reply) -> None:
        current = self._current.command if self._current is not None else None
        if self.conversation.is_unasked(reply, current):
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
        received, self._late = self._late, None
        self._answer.clear()
        self._close_server()
        if received is not None:
            received(self._last_reply)

    def _advance(self) -> None:
        """Hear the client's next commands, as far as they have come and need not wait."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while self._may_hear:
                self._current = heard = self.conversation.next_heard()
                if heard is None:
                    break
                self._is_sure = heard.kind is not Kind.SETUP and self._director.is_passthrough(
                    heard
                )
                if self._is_sure or not self._train:
                    self._show(heard)
        except ProtocolError as error:
            self._violation = error
        finally:
            self._is_advancing = False
        self._send_passing()
        if self._violation is not None and not self._train:
            self._go_on()

    @property
    def _may_hear(self) -> bool:
        is_open = self._client is not None and not self._silent
        return is_open and self._current is None and self._violation is None

    def _show(self, heard: ReceivedCommand) -> None:
        self._last_reply = None
        if heard.kind is Kind.SETUP:
            self.carry_out(heard, self._director.setup(self, heard))
        elif heard.kind is not Kind.INSIDE:
            self._director.parked(self, heard)
        elif (effects := self._director.inside(self, heard)) is not None:
            self.carry_out(heard, effects)

    def _delivered(self) -> None:
        if self._owed == 0:
            self._answered()

    def _answered(self) -> None:
        answer = b"".join(self._answer)
        self._answer.clear()
        if self._effects.reply_passes and self._effects.close is Close.FIN:
            self._send_last(answer)
            self._end_event(Executed.YES)
        elif self._effects.reply_passes:
            self._send_paced(self._client, answer, lambda: self._end_event(Executed.YES))
        else:
            self._end_event(Executed.YES)

    def _end_event(self, executed: Executed) -> None:
        heard, self._current = self._current, None
        effects = self._effects
        if effects.close is not Close.NO:
            self.close(effects.close)
        elif effects.waits:
            self._silent = True
        if heard is not None:
            self._director.done(self, heard, executed, self._last_reply)
        self._advance()

    def _server_gone(self) -> None:
        if self._late is not None:
            self._last_reply = None
            self._finish_late()
            return
        heard, self._current = self._current, None
        owed, self._owed = self._owed, 0
        self.held = None
        broken_off = self._train.broken_off()
        self.close(Close.FIN)
        for passing, executed in broken_off:
            self._director.done(self, passing, executed, None)
        if heard is not None:
            # A command that was not delivered yet never will be.
            executed = Executed.UNKNOWN if owed > 0 else Executed.NO
            self._director.done(self, heard, executed, None)
        self._director.client_gone(self, mid_command=False)

    def _send_paced(self, to: socket.socket | None, data: bytes, then: Callable[[], None]) -> None:
        effects = self._effects
        if not effects.chunk and not effects.delay_ms:
            self._send(to, data)
            then()
            return
        size = effects.chunk or len(data) or 1
        pieces = [data[start : start + size] for start in range(0, len(data), size)]

        def send_next() -> None:
            if pieces:
                self._send(to, pieces.pop(0))
            if pieces:
                self._loop.call_later(effects.delay_ms / 1000, send_next)
            else:
                then()

        self._loop.call_later(effects.delay_ms / 1000, send_next)

    def _send_last(self, data: bytes) -> None:
        """Send the client its last bytes and the end of the connection in one packet, so that neither comes first."""
        if self._client is not None and self._outboxes[self._client].send(data, _MORE_FOLLOWS):
            with suppress(OSError):
                self._client.shutdown(socket.SHUT_WR)

    def _send(self, to: socket.socket | None, data: bytes) -> None:
        if to is not None and data:
            self._outboxes[to].send(data)

    def _close_client(self, how: Close) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if how is Close.RESET:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
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
