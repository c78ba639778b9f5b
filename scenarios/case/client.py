"""One client of a case: which call it is in, which command of it waits, and how its events are numbered.

It is the director of its own links: set-up and queued commands are answered at once, every other command is
parked until the case lets it through. A client is parked when a command of it waits, done when it has no
call left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from midpipe.faultinject.faults.effects import PASS, WireEffects
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.vocabulary import Executed, Position, WireEvent, WireIndex
from midpipe.faultinject.wire.commands import CommandTable, key_pattern
from midpipe.faultinject.wire.conversation import SUBSCRIBING, ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply

StepOver = Callable[[WireEvent, Executed, Reply | None], None]


@dataclass(slots=True)
class ClientWire:
    """The wire's side of one client in one case.

    Args:
        passes_all: let everything pass and count nothing, while an instance is made.
        has_subscribed: one of its connections receives messages.
        may_give_up: the server stands still, so the client may give up on any command.
        was_killed: a fault has ended its process.
        step_over: told when a command that was let through is over.
    """

    client_id: str
    table: CommandTable
    step_over: StepOver
    operation: int = 0
    attempt: int = 0
    passes_all: bool = False
    may_give_up: bool = False
    was_killed: bool = False
    invalid_reason: str = ""
    has_subscribed: bool = False
    _parked: list[tuple[Link, ReceivedCommand, WireEvent]] = field(default_factory=list)
    _ordinal: int = 0
    _setup_ordinal: int = 0
    _command: int = 0
    _block_ordinal: int = 0
    _let_through: dict[Link, WireEvent] = field(default_factory=dict)
    _watched: dict[Link, tuple[bytes, ...]] = field(default_factory=dict)

    @property
    def waiting(self) -> tuple[Link, ReceivedCommand, WireEvent] | None:
        """The command that waits longest; a client with several connections may have more of them."""
        return self._parked[0] if self._parked else None

    def begins(self, operation: int, attempt: int) -> None:
        """The client makes an attempt at an operation; its commands are counted from 1 again."""
        self.operation, self.attempt, self._command = operation, attempt, 0

    def dies(self) -> None:
        """Its process is killed: what waits here is taken not to have left its machine."""
        self.was_killed = True
        self._parked.clear()

    def let_through(self, effects: WireEffects) -> None:
        """Carry out the waiting command."""
        if self.waiting is None:
            return
        link, heard, event = self._parked.pop(0)
        self._let_through[link] = event
        link.carry_out(heard, effects)

    def is_passthrough(self, heard: ReceivedCommand) -> bool:
        """Each command is a decision of its own, and what it changes is seen before the next one."""
        return False

    def setup(self, link: Link, heard: ReceivedCommand) -> WireEffects:
        self._setup_ordinal += 1
        return PASS

    def inside(self, link: Link, heard: ReceivedCommand) -> WireEffects | None:
        if self.passes_all:
            return PASS
        if heard.inside == 1:
            self._ordinal += 1
            self._block_ordinal = self._ordinal
        # When the blocks of two clients come is a race; so it waits, too, until there is none.
        self._parked.append((link, heard, self._event(link, heard, self._block_ordinal)))
        return None

    def parked(self, link: Link, heard: ReceivedCommand) -> None:
        self.has_subscribed = self.has_subscribed or heard.command.name in SUBSCRIBING
        if self.passes_all:
            link.carry_out(heard, PASS)
            return
        if self.was_killed:
            return
        if heard.block:
            ordinal = self._block_ordinal
        else:
            self._ordinal += 1
            ordinal = self._ordinal
        self._parked.append((link, heard, self._event(link, heard, ordinal)))

    def done(
        self, link: Link, heard: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        event = self._let_through.pop(link, None)
        if event is not None:
            self.step_over(event, executed, reply)

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        if not mid_command:
            # The connection ended under a command that waits here; its client will hear of it.
            self._parked = [waiting for waiting in self._parked if waiting[0] is not link]
        event = self._let_through.pop(link, None)
        if mid_command and event is not None and self.table.is_blocking(event.args):
            # It waited long enough; a server drops the blocked command of a connection that is gone.
            link.close()
            self.step_over(event, Executed.NO, None)
        elif mid_command and (self.may_give_up or self.was_killed):
            link.close()
        elif mid_command:
            # Nobody planned this: the machine was too busy for the client's time-out.
            self.invalid_reason = f"{self.client_id} gave up on a command that nothing was done to"
            self._parked.clear()
            link.close()

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        self.invalid_reason = f"{self.client_id} or the server broke the protocol: {error}"

    def _event(self, link: Link, heard: ReceivedCommand, ordinal: int) -> WireEvent:
        self._command += 1
        args = heard.command.args
        block = tuple(command.args for command in heard.block[1:])
        keys = _keys(self.table, (args, *block), self._watched_by(link, heard))
        return WireEvent(
            position=Position(self.client_id, ordinal, heard.inside),
            index=WireIndex(
                operation=self.operation,
                attempt=self.attempt,
                command=self._command,
                name=heard.command.name.decode("ascii", "replace"),
                key_pattern=key_pattern(keys[0]) if keys else "",
            ),
            args=args,
            size=len(heard.command.raw),
            is_write=any(self.table.is_write(words) for words in (args, *block)),
            keys=keys,
            block=block,
        )

    def _watched_by(self, link: Link, heard: ReceivedCommand) -> tuple[bytes, ...]:
        """Return the keys that decide, because the connection watches them, what this command does."""
        name = heard.command.name
        if name == b"WATCH":
            watched = (*self._watched.get(link, ()), *heard.command.args[1:])
            self._watched[link] = watched
        elif name in (b"EXEC", b"DISCARD", b"UNWATCH"):
            return self._watched.pop(link, ())
        return ()


def _keys(
    table: CommandTable, commands: tuple[tuple[bytes, ...], ...], watched: tuple[bytes, ...]
) -> tuple[bytes, ...] | None:
    found = list(watched)
    for words in commands:
        keys = table.touched(words)
        if keys is None:
            return None
        found += keys
    return tuple(dict.fromkeys(found))
