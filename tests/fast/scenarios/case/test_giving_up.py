"""When a client has given up on a command to which nothing was done, and when its giving up was planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from midpipe.faultinject.faults import effects_of
from midpipe.faultinject.faults.effects import PASS, WireEffects
from midpipe.faultinject.vocabulary import Executed, FaultRef
from midpipe.faultinject.wire.commands import CommandSpec, CommandTable
from midpipe.faultinject.wire.received import Kind, ReceivedCommand
from midpipe.faultinject.wire.resp import Command
from midpipe.scenarios.case.client_wire import ClientWire
from midpipe.scenarios.model.history import RaisedError

TABLE = CommandTable({b"GET": CommandSpec(b"GET", frozenset(), ())})
TIME_OUT_S = 8.0


@dataclass(eq=False)
class Connection:
    """The proxy's end of a client's connection, as far as a director knows it."""

    was_closed_by_client: bool = False
    is_closed: bool = False

    def carry_out(self, received: ReceivedCommand, effects: WireEffects) -> None:
        """Do nothing: the test says itself when the command is over."""

    def close(self) -> None:
        self.is_closed = True


class Conversation:
    """A client's wire whose time the test sets, during the client's first attempt."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.over: list[tuple[tuple[bytes, ...], Executed]] = []
        self.wire = ClientWire(
            client_id="A",
            table=TABLE,
            clock=lambda: self.now_s,
            time_out_s=TIME_OUT_S,
            step_over=lambda event, executed, _: self.over.append((event.args, executed)),
            state=int,
        )
        self.wire.begin_attempt(1, 1)

    def asks(self, link: Any, effects: WireEffects = PASS) -> ReceivedCommand:
        """The client sends a command, which is let through with these effects."""
        received = ReceivedCommand(Command((b"GET", b"a"), b""), Kind.EVENT)
        self.wire.parked(link, received)
        self.wire.let_through(effects)
        return received

    def waits(self, link: Any) -> None:
        """The client sends a command, which is not let through yet."""
        self.wire.parked(link, ReceivedCommand(Command((b"GET", b"a"), b""), Kind.EVENT))

    def is_answered(self, link: Any, received: ReceivedCommand) -> None:
        self.wire.done(link, received, Executed.YES, None)

    def closes(self, link: Connection, *, mid_command: bool = False) -> None:
        link.was_closed_by_client = True
        self.wire.client_gone(link, mid_command=mid_command)  # type: ignore[arg-type]  # a stand-in for a link

    @property
    def is_invalid(self) -> bool:
        return "gave up on a command that nothing was done to" in self.wire.invalid_reason


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


def test_a_client_that_closes_before_the_answer_has_given_up(talk: Conversation) -> None:
    link = Connection()
    talk.asks(link)
    talk.closes(link, mid_command=True)
    assert (talk.is_invalid, link.is_closed) == (True, True)


@pytest.mark.parametrize("fault", ["late", "stall", "black-hole", "pause"])
def test_giving_up_on_a_command_with_a_waiting_fault_is_planned(
    talk: Conversation, fault: str
) -> None:
    link, event = Connection(), None
    received = ReceivedCommand(Command((b"GET", b"a"), b""), Kind.EVENT)
    talk.wire.parked(link, received)  # type: ignore[arg-type]  # a stand-in for a link
    assert talk.wire.waiting is not None
    event = talk.wire.waiting[2]
    talk.wire.let_through(effects_of(FaultRef(fault), event).wire)
    talk.now_s += TIME_OUT_S
    talk.closes(link)
    assert (talk.wire.invalid_reason, talk.wire.has_waited) == ("", True)


def test_a_client_for_which_the_answer_may_have_come_too_late_has_given_up(
    talk: Conversation,
) -> None:
    """An asyncio driver's timer may win over an answer that has arrived; the proxy saw the answer go out."""
    link = Connection()
    received = talk.asks(link)
    talk.now_s += TIME_OUT_S
    talk.is_answered(link, received)
    talk.closes(link)
    assert talk.is_invalid


def test_a_client_that_closes_soon_after_the_answer_has_what_it_asked_for(
    talk: Conversation,
) -> None:
    link = Connection()
    received = talk.asks(link)
    talk.now_s += TIME_OUT_S / 2
    talk.is_answered(link, received)
    talk.closes(link)
    assert talk.wire.invalid_reason == ""


def test_a_client_that_gave_up_on_a_fault_may_not_give_up_on_the_retry(talk: Conversation) -> None:
    first, second = Connection(), Connection()
    talk.asks(first, WireEffects(reply_passes=False, waits=True))
    talk.now_s += TIME_OUT_S
    talk.closes(first)
    assert talk.wire.invalid_reason == ""
    talk.asks(second)
    talk.closes(second, mid_command=True)
    assert talk.is_invalid


def test_a_client_that_gave_up_on_a_fault_may_close_its_other_connections(
    talk: Conversation,
) -> None:
    first, other = Connection(), Connection()
    talk.is_answered(other, talk.asks(other))
    talk.asks(first, WireEffects(reply_passes=False, waits=True))
    talk.now_s += TIME_OUT_S
    talk.closes(first)
    talk.closes(other)
    assert talk.wire.invalid_reason == ""


@pytest.mark.parametrize(
    ("has_met_fault", "waited_s", "is_invalid"),
    [(True, 0.0, False), (False, 0.0, True), (True, TIME_OUT_S, True)],
)
def test_a_client_may_end_its_other_tasks_because_of_a_fault_and_not_because_of_the_time(
    talk: Conversation, has_met_fault: bool, waited_s: float, is_invalid: bool
) -> None:
    other, third = Connection(), Connection()
    talk.wire.has_met_fault = has_met_fault
    talk.waits(other)
    talk.waits(third)
    talk.now_s += waited_s
    talk.closes(other, mid_command=True)
    assert (talk.is_invalid, other.is_closed) == (is_invalid, True)
    still_waits: Any = talk.wire.waiting and talk.wire.waiting[0]
    assert still_waits is (None if is_invalid else third)


def test_a_command_that_was_under_way_when_the_client_ended_its_tasks_may_have_run(
    talk: Conversation,
) -> None:
    other = Connection()
    talk.wire.has_met_fault = True
    talk.asks(other)
    talk.closes(other, mid_command=True)
    assert (talk.wire.invalid_reason, talk.over) == ("", [((b"GET", b"a"), Executed.UNKNOWN)])


def test_a_fault_explains_nothing_in_the_next_attempt(talk: Conversation) -> None:
    link = Connection()
    talk.wire.has_met_fault = True
    talk.wire.begin_attempt(1, 2)
    talk.waits(link)
    talk.closes(link, mid_command=True)
    assert talk.is_invalid


def test_a_connection_may_be_closed_at_any_time_between_two_calls(talk: Conversation) -> None:
    link = Connection()
    talk.is_answered(link, talk.asks(link))
    talk.wire.is_under_way = False
    talk.now_s += 10 * TIME_OUT_S
    talk.closes(link)
    assert talk.wire.invalid_reason == ""


def test_a_connection_that_the_server_closed_was_not_given_up(talk: Conversation) -> None:
    link = Connection()
    talk.is_answered(link, talk.asks(link))
    talk.now_s += 10 * TIME_OUT_S
    talk.wire.client_gone(link, mid_command=False)  # type: ignore[arg-type]  # a stand-in for a link
    assert talk.wire.invalid_reason == ""


def test_a_constructor_that_gives_up_on_a_connection_makes_the_case_invalid() -> None:
    talk = Conversation()
    talk.wire.begin_instance()
    link = Connection()
    talk.wire.parked(link, ReceivedCommand(Command((b"GET", b"a"), b""), Kind.EVENT))  # type: ignore[arg-type]  # a stand-in for a link
    talk.closes(link, mid_command=True)
    assert talk.is_invalid


@pytest.mark.parametrize(
    ("error", "is_time_out"),
    [
        (RaisedError("TimeoutError", "Timeout reading from socket"), True),
        (RaisedError("QueueDown", "", ("QueueDown", "TimeoutError", "OSError")), True),
        (RaisedError("Error", "connect ETIMEDOUT 127.0.0.1:6379"), True),
        (RaisedError("Error", "the call timed out"), True),
        (RaisedError("ConnectionError", "Connection reset by peer"), False),
        (RaisedError("ValueError", "there is no job"), False),
    ],
)
def test_a_time_out_is_known_by_its_class_or_its_message(
    error: RaisedError, is_time_out: bool
) -> None:
    assert error.is_time_out is is_time_out


def test_a_connection_that_is_kept_while_the_client_uses_another_one_was_read(
    talk: Conversation,
) -> None:
    idle, busy = Connection(), Connection()
    talk.is_answered(idle, talk.asks(idle))
    for _ in range(3):
        asked = talk.asks(busy)
        talk.now_s += TIME_OUT_S / 2
        talk.is_answered(busy, asked)
    talk.asks(busy)
    talk.closes(idle)
    assert not talk.is_invalid


def test_a_first_command_elsewhere_does_not_show_that_a_late_answer_was_read(
    talk: Conversation,
) -> None:
    slow, busy = Connection(), Connection()
    asked = talk.asks(slow)
    talk.now_s += TIME_OUT_S
    talk.is_answered(slow, asked)
    talk.asks(busy)
    talk.closes(slow)
    assert talk.is_invalid
