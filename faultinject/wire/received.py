"""A command as it was received from a client, with its place in the conversation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from midpipe.faultinject.wire.resp import Command


class Kind(Enum):
    """The part of the conversation that a command belongs to: the handshake, a MULTI … EXEC block, or neither."""

    SETUP = "setup"
    INSIDE = "inside"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class ReceivedCommand:
    """A command received from the client.

    Args:
        replies: how many replies the server owes for it; 0 after CLIENT REPLY OFF or SKIP.
        inside: of a command queued in MULTI … EXEC, its number from 1 (MULTI is 1); otherwise 0.
        block: of the EXEC or DISCARD that ends a block, the commands before it, MULTI first; otherwise empty.
    """

    command: Command
    kind: Kind
    replies: int = 1
    inside: int = 0
    block: tuple[Command, ...] = ()
