"""The port through which links ask for decisions: one director decides about all of a client's connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from midpipe.faultinject.faults.effects import PASS, WireEffects
from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply

if TYPE_CHECKING:
    from midpipe.faultinject.net.link import Link


class Director(Protocol):
    """Decides what happens at every command of a client's links."""

    def is_passthrough(self, received: ReceivedCommand) -> bool:
        """Whether it would let a command pass at once, even while commands before it are unanswered."""

    def setup(self, link: Link, received: ReceivedCommand) -> WireEffects:
        """Return the effects of a handshake command, or of one after a block that is not an event."""

    def inside(self, link: Link, received: ReceivedCommand) -> WireEffects | None:
        """Return the effects of a command inside MULTI … EXEC, before EXEC; None parks it as in ``parked``."""

    def parked(self, link: Link, received: ReceivedCommand) -> None:
        """A command waits until the director calls ``link.carry_out``."""

    def done(
        self, link: Link, received: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        """A command was carried out, or its connection ended before it could be.

        Args:
            reply: the last reply that arrived; None if none did.
        """

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        """The connection has ended.

        Args:
            mid_command: the client closed it while it waited for an answer.
        """

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        """The client or the server sent bytes that are not RESP."""


class PassingDirector:
    """Lets every command pass. A base for directors that only observe."""

    def is_passthrough(self, received: ReceivedCommand) -> bool:
        return True

    def setup(self, link: Link, received: ReceivedCommand) -> WireEffects:
        return PASS

    def inside(self, link: Link, received: ReceivedCommand) -> WireEffects:
        return PASS

    def parked(self, link: Link, received: ReceivedCommand) -> None:
        link.carry_out(received, PASS)

    def done(
        self, link: Link, received: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        return

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        return

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        return
