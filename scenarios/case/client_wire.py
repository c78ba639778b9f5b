"""One client's connections in a case: which of its commands waits, and how its commands are numbered.

ClientWire is the director of the client's links. What has no position passes at once: commands that set a connection
up, those that neither change nor read data (``NOISE``), those that the user or the subject declares as sent in the
background, and a poll that can't find more than its last answers did.
Every other command is parked until the case lets it through. Knows no schedule, and no call beyond its number.

It also notices a client that gives up on a command to which nothing was done: one that closes a connection while it
waits for an answer, or so late after it sent its last command there that its time-out may have run out. Then the
machine is too busy for the short time-out with which the client meets a fault, and the case is invalid. A connection
at which a fault, or a paused server, made the client wait is given up as planned; so is one that the client closes
before its time-out is over, because a fault has hit another of its commands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field

from midpipe.faultinject.faults.effects import PASS, WireEffects
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.vocabulary import Executed, Position, WireEvent, WireIndex
from midpipe.faultinject.wire.commands import CommandTable, key_pattern
from midpipe.faultinject.wire.conversation import SUBSCRIBING
from midpipe.faultinject.wire.labels import LabelCounter, command_of, finds_nothing, stable_key
from midpipe.faultinject.wire.pattern import CommandPattern
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply

_SURELY_BELOW = 0.9
"""A client that has waited for less than so much of its time-out has not given up: clocks are not that far off."""

NOISE = SUBSCRIBING | {b"PING", b"INFO", b"ROLE", b"LASTSAVE"}
"""Health checks and subscriptions: whatever their order among other clients' commands, nothing differs."""
_POLLS_WITH_POSITION = 3
"""After so many empty answers a poll has shown what it can; the rest of a worker's idle time would add nothing."""

StepOver = Callable[[WireEvent, Executed, Reply | None], None]


@dataclass(slots=True)
class ClientWire:
    """One client's side of the proxy.

    Args:
        client_id: ``A``, ``B``, …
        clock: monotonic seconds.
        time_out_s: the client's socket time-out.
        step_over: called when a command that was let through is over, with whether the server ran it and its reply.
        state: returns the number of the server's latest state, which rises with every change.
        host: the machine's name.
        background: what the client sends in the background; that has no position either.

    Attributes:
        passes_all: every command passes and none is counted, while an instance of the subject is made.
        may_time_out: the server is stopped, so a time-out of the client's is expected at any command.
        was_killed: a fault killed the client's process.
        invalid_reason: why the case is invalid; empty so far.
        is_under_way: an attempt is under way, or an instance of the subject is being made.
        has_waited: in this attempt the client had to wait for its time-out, or blocked on the server, as planned.
        has_met_fault: in this attempt a fault has hit one of the client's commands.
        has_begun: a command of the client that has a position was let through.
        has_subscribed: one of the client's connections receives published messages.
    """

    client_id: str
    table: CommandTable
    clock: Callable[[], float]
    time_out_s: float
    step_over: StepOver
    state: Callable[[], int]
    _: KW_ONLY
    host: bytes = b""
    background: tuple[CommandPattern, ...] = ()
    operation: int = 0
    attempt: int = 0
    passes_all: bool = False
    may_time_out: bool = False
    was_killed: bool = False
    invalid_reason: str = ""
    is_under_way: bool = False
    has_waited: bool = False
    has_met_fault: bool = False
    has_subscribed: bool = False
    has_begun: bool = False
    _parked: list[tuple[Link, ReceivedCommand, WireEvent]] = field(init=False, default_factory=list)
    _ordinal: int = field(init=False, default=0)
    _command: int = field(init=False, default=0)
    _block_ordinal: int = field(init=False, default=0)
    _let_through: dict[Link, WireEvent] = field(init=False, default_factory=dict)
    _watched: dict[Link, tuple[bytes, ...]] = field(init=False, default_factory=dict)
    _silent: set[Link] = field(init=False, default_factory=set)
    _began_s: float = field(init=False, default=0.0)
    _answered_s: dict[Link, float] = field(init=False, default_factory=dict)
    _asked_after_s: dict[Link, float] = field(init=False, default_factory=dict)
    _asking: set[Link] = field(init=False, default_factory=set)
    _empty_answers: Counter[tuple[bytes, ...]] = field(init=False, default_factory=Counter)
    _state_of_polls: int = field(init=False, default=-1)
    _polling: dict[Link, ReceivedCommand] = field(init=False, default_factory=dict)
    _labels: LabelCounter = field(init=False, default_factory=LabelCounter)
    _unnumbered: set[Link] = field(init=False, default_factory=set)
    _senders: set[Link] = field(init=False, default_factory=set)

    @property
    def waiting(self) -> tuple[Link, ReceivedCommand, WireEvent] | None:
        """The command that has waited longest; a client with several connections may have more waiting."""
        return self._parked[0] if self._parked else None

    @property
    def connections(self) -> int:
        """On how many connections the client has sent commands that have a position."""
        return len(self._senders)

    def begin_attempt(self, operation: int, attempt: int) -> None:
        """Count the client's commands from 1 again: it begins an attempt at an operation.

        Args:
            operation, attempt: ordinals, from 1.
        """
        self.operation, self.attempt, self._command = operation, attempt, 0
        self._empty_answers.clear()
        self._labels.begin(operation, attempt)
        self._begin()

    def begin_instance(self) -> None:
        """An instance of the subject is made: until ``end_instance`` every command passes, and none is counted."""
        self.passes_all = True
        self._begin()

    def end_instance(self) -> None:
        """The instance is made."""
        self.passes_all = self.is_under_way = False

    def may_have_timed_out(self) -> bool:
        """Whether so much time has passed since the attempt began that the client's time-out may have run out."""
        return self.clock() - self._began_s >= _SURELY_BELOW * self.time_out_s

    def has_given_up(self, link: Link, command: WireIndex) -> bool:
        """Whether the client no longer waits for a command of the link: its time-out is over, or the attempt is."""
        is_same_attempt = (command.operation, command.attempt) == (self.operation, self.attempt)
        return not is_same_attempt or self._has_waited_long(link)

    @property
    def keeps_silent_connection(self) -> bool:
        """Whether the client has a connection open on which a fault lets no reply pass, so that it may wait again."""
        return any(link.is_open and link.is_silent for link in self._silent)

    def mark_killed(self) -> None:
        """The client's process was killed: the commands that wait here count as never sent."""
        self.was_killed = True
        self._parked.clear()

    def forget_commands(self) -> None:
        """No command of the client was let through, and its connections are closed: count from the first one again."""
        self._parked.clear()
        self._senders.clear()
        self._ordinal = self._block_ordinal = 0

    def mark_started_again(self) -> None:
        """A successor of the process that was killed is about to be started; what that one sent does not count."""
        self.was_killed = False
        self.may_time_out = True

    def let_through(self, effects: WireEffects) -> None:
        """Carry out the waiting command with these effects."""
        if self.waiting is None:
            return
        self.has_begun = True
        link, command, event = self._parked.pop(0)
        self._let_through[link] = event
        if effects.waits:
            self._silent.add(link)
        self.has_waited |= effects.waits or self.table.is_blocking(event.args)
        link.carry_out(command, effects)

    def is_passthrough(self, received: ReceivedCommand) -> bool:
        """Return False: each command is a decision of its own, and its changes are recorded before the next one."""
        return False

    def setup(self, link: Link, received: ReceivedCommand) -> WireEffects:
        self._note_asked(link)
        return PASS

    def inside(self, link: Link, received: ReceivedCommand) -> WireEffects | None:
        if self.passes_all:
            return PASS
        if received.inside == 1:
            self._ordinal += 1
            self._block_ordinal = self._ordinal
        # Parked as well, so that the blocks of two clients do not race each other.
        self._parked.append((link, received, self._event(link, received, self._block_ordinal)))
        return None

    def parked(self, link: Link, received: ReceivedCommand) -> None:
        self.has_subscribed = self.has_subscribed or received.command.name in SUBSCRIBING
        self._note_asked(link)
        if self.passes_all or received.command.name in NOISE or self._is_background(received):
            if not self.passes_all:
                self._unnumbered.add(link)
            link.carry_out(received, PASS)
            return
        if self.was_killed:
            return
        if self._is_idle_poll(received):
            self._polling[link] = received
            link.carry_out(received, PASS)
            return
        if received.block:
            ordinal = self._block_ordinal
        else:
            self._ordinal += 1
            ordinal = self._ordinal
        self._parked.append((link, received, self._event(link, received, ordinal)))

    def done(
        self, link: Link, received: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        self._answered_s[link] = self.clock()
        self._asking.discard(link)
        self._unnumbered.discard(link)
        is_empty = reply is not None and finds_nothing(received.command.args, reply)
        if is_empty and not received.block:
            self._empty_answers[received.command.args] += 1
        event = self._let_through.pop(link, None)
        poll = self._polling.pop(link, None)
        if poll is not None and not is_empty:
            # Time alone made it find something.
            self._ordinal += 1
            event = self._event(link, poll, self._ordinal)
        if event is not None:
            before = self.state()
            self.step_over(event, executed, reply)
            has_changed = self.state() != before
            if is_empty and event.label and not (has_changed and reply and reply.value is None):
                # A script that fetches may note when it did so, and answers with an empty list all the same. One that
                # writes and has no answer has done its work.
                self._labels.found_nothing(event.label)

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        if not mid_command:
            # The connection ended while a command of it waits here; the client will see the error.
            self._parked = [waiting for waiting in self._parked if waiting[0] is not link]
        event = self._let_through.pop(link, None)
        self._polling.pop(link, None)
        if link in self._unnumbered:
            # It closed before a health check or the like was answered, which says nothing about time.
            self._unnumbered.discard(link)
            link.close()
        elif mid_command and event is not None and self.table.is_blocking(event.args):
            # The client's own time-out came first. A server drops the blocked command of a closed connection.
            link.close()
            self.step_over(event, Executed.NO, None)
        elif mid_command and (self.may_time_out or self.was_killed):
            link.close()
        elif mid_command and self._drops_because_of_fault(link):
            self._parked = [waiting for waiting in self._parked if waiting[0] is not link]
            link.close()
            if event is not None:
                self.step_over(event, Executed.UNKNOWN, None)
        elif self.may_time_out or self.was_killed or link in self._silent:
            # It need not be closed: a command that it holds is yet to be delivered.
            return
        elif mid_command or self._closed_late(link):
            self.invalid_reason = self.invalid_reason or (
                f"{self.client_id} gave up on a command that nothing was done to; the machine may be too busy"
            )
            self._parked.clear()
            link.close()

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        self.invalid_reason = f"{self.client_id} or the server violated the protocol: {error}"

    def _is_background(self, received: ReceivedCommand) -> bool:
        """Whether the command is declared as sent in the background; a MULTI … EXEC block never is."""
        if received.block or not self.background:
            return False
        args = received.command.args
        keys = self.table.keys(args)
        return any(pattern.matches(args, keys) for pattern in self.background)

    def _is_idle_poll(self, received: ReceivedCommand) -> bool:
        """Whether the command has got empty answers so often that it need not be parked, and nothing changed since."""
        if self._state_of_polls != (state := self.state()):
            self._state_of_polls = state
            self._empty_answers.clear()
        args = received.command.args
        is_plain = not received.block and not self.table.is_blocking(args)
        return is_plain and self._empty_answers[args] >= _POLLS_WITH_POSITION

    def _begin(self) -> None:
        self.is_under_way, self.has_waited, self.has_met_fault = True, False, False
        self._began_s = self.clock()

    def _note_asked(self, link: Link) -> None:
        """A command of the link has arrived; the client sent it after the last answer, and in this attempt.

        By then it had read the earlier answers on its other connections as well, however long it keeps those open.
        """
        answered_s = self._answered_s.get(link, 0.0)
        self._asked_after_s[link] = max(self._began_s, answered_s)
        self._asking.add(link)
        for other, earlier_s in self._answered_s.items():
            if earlier_s < answered_s and other not in self._asking:
                self._answered_s[other] = self._asked_after_s[other] = answered_s

    def _drops_because_of_fault(self, link: Link) -> bool:
        """Whether the client closes a connection because a fault has hit another one, and not because of the time.

        One that runs tasks side by side ends all of them when one of them fails.
        """
        return self.has_met_fault and not self._has_waited_long(link)

    def _closed_late(self, link: Link) -> bool:
        """Whether the client may have closed the connection because an answer, sent by now, came too late for it.

        One that has waited for its time-out as planned may close its other connections as well.
        """
        is_calling = self.is_under_way and not self.has_waited
        return is_calling and link.was_closed_by_client and self._has_waited_long(link)

    def _has_waited_long(self, link: Link) -> bool:
        """Whether so much time has passed since the client's last answer on the link that its time-out may be over."""
        waited_s = self.clock() - self._asked_after_s.get(link, self._began_s)
        return waited_s >= _SURELY_BELOW * self.time_out_s

    def _event(self, link: Link, received: ReceivedCommand, ordinal: int) -> WireEvent:
        self._command += 1
        self._senders.add(link)
        args = received.command.args
        block = tuple(command.args for command in received.block[1:])
        keys = _keys(self.table, (args, *block), self._watched_by(link, received))
        key = stable_key(keys[0], self.host) if keys else ""
        return WireEvent(
            position=Position(self.client_id, ordinal, received.inside),
            index=WireIndex(
                operation=self.operation,
                attempt=self.attempt,
                command=self._command,
                name=received.command.name.decode("ascii", "replace"),
                key_pattern=key_pattern(keys[0]) if keys else "",
            ),
            args=args,
            size=len(received.command.raw),
            is_write=any(self.table.is_write(words) for words in (args, *block)),
            keys=keys,
            block=block,
            label=self._labels.next(self.client_id, command_of(self.table, args), key),
        )

    def _watched_by(self, link: Link, received: ReceivedCommand) -> tuple[bytes, ...]:
        """Return the keys that the connection watches and that therefore decide what this command does."""
        name = received.command.name
        if name == b"WATCH":
            watched = (*self._watched.get(link, ()), *received.command.args[1:])
            self._watched[link] = watched
        elif name in (b"EXEC", b"DISCARD", b"UNWATCH"):
            return self._watched.pop(link, ())
        return ()


def _keys(
    table: CommandTable, commands: tuple[tuple[bytes, ...], ...], watched: tuple[bytes, ...]
) -> tuple[bytes, ...] | None:
    """Return the keys that the commands touch, each once, after the watched ones; None if they can't be known."""
    all_keys = list(watched)
    for words in commands:
        keys = table.touched(words)
        if keys is None:
            return None
        all_keys += keys
    return tuple(dict.fromkeys(all_keys))
