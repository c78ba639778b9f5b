"""Measures what a subscriber does whose connection is lost: does it subscribe again, and does its caller learn of it?

Redis keeps no message for a subscriber that is not there. One that subscribes again without a word has missed messages,
and its caller believes that there were none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import cast

from midpipe.faultinject.errors import MidpipeError, ServerError, SubjectError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LOOPBACK
from midpipe.faultinject.net.shaper import Shaper
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.opening import ServerSpec, open_server
from midpipe.scenarios.drivers.commands import PATIENCE_S, subject_of
from midpipe.scenarios.drivers.registry import RECEIVE, Constructor, Driver
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import Answer, HostProcess

LOSSES = ("closed", "silent")
"""The server's end of the connection is gone: the client's end is closed too, or stays open without a byte."""
WAITS_S = 10.0
"""How long a subscriber may take to subscribe again, and a message to arrive, in seconds."""
_CHANNEL, _BEFORE, _MEANWHILE, _AFTER = "jobs", "before", "meanwhile", "after"
_ERROR = "error"
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Reception:
    """What one loss of the connection led to.

    Args:
        loss: one of LOSSES.
        receives_again: a message that was published afterwards arrived within WAITS_S.
        raised: a call for the next message raised meanwhile.
        was_notified: something else than a published message arrived, such as a second confirmation.
    """

    loss: str
    receives_again: bool
    raised: bool
    was_notified: bool

    @property
    def deceives(self) -> bool:
        """Whether the caller has no sign that messages are missing."""
        return not self.raised and not self.was_notified


@dataclass(frozen=True, slots=True)
class ReceiverRow:
    """The subscriber of one constructor, in one release.

    Args:
        receptions: one for each loss that was measured.
        reason: why a loss was not; empty if each was.
    """

    driver: str
    version: str
    constructor: str
    receptions: tuple[Reception, ...]
    reason: str = ""
    way: str = RECEIVE.name


def planned_receivers(
    driver: Driver, versions: Sequence[str], reason: str
) -> Iterator[ReceiverRow]:
    """Yield the rows of releases of a driver, in order, as if none could be measured for this reason."""
    if driver.subscribes:
        for version, constructor in driver.constructors_of(versions):
            yield ReceiverRow(driver.name, version, constructor.name, (), reason)


def measure_receivers(
    spec: ServerSpec, driver: Driver, versions: Sequence[str]
) -> Iterator[ReceiverRow]:
    """Measure the subscriber of every constructor of releases of a driver."""
    for version, constructor in driver.constructors_of(versions):
        yield measure_receiver(spec, driver, version, constructor)


def measure_receiver(
    spec: ServerSpec,
    driver: Driver,
    version: str,
    constructor: Constructor,
    losses: Sequence[str] = LOSSES,
) -> ReceiverRow:
    """Measure the subscriber of one constructor of a release of a driver."""
    receptions: list[Reception] = []
    reason = ""
    try:
        subject = subject_of(driver, version, constructor, RECEIVE)
        for loss in losses:
            receptions.append(_reception(spec, subject, loss))
    except MidpipeError as error:
        reason = str(error)
    return ReceiverRow(driver.name, version, constructor.name, tuple(receptions), reason)


def _reception(spec: ServerSpec, subject: SubjectSpec, loss: str) -> Reception:
    with ExitStack() as stack:
        run = stack.enter_context(closing(RunDirectory()))
        server = open_server(spec, run)
        stack.callback(server.stop)
        loop = stack.enter_context(closing(Loop()))
        shaper = stack.enter_context(closing(Shaper(loop, server.address, lambda to_client: 0.0)))
        control = stack.enter_context(closing(Control(server.address)))
        subscriber = _Subscriber(loop, run, subject, shaper.port)
        stack.callback(subscriber.close)
        return _measured(loss, subscriber, shaper, control)


def _measured(loss: str, subscriber: _Subscriber, shaper: Shaper, control: Control) -> Reception:
    """Lose the connection of a subscriber between two messages, and one message with it."""
    subscriber.receive_until(lambda: _subscribers(control) == 1)
    _publish(control, _BEFORE, receivers=1)
    if not subscriber.receive_until(lambda: _BEFORE in subscriber.received):
        raise SubjectError("The subscriber received no message while nothing was broken.")
    subscriber.received.clear()
    if loss == "silent":
        shaper.silence()
    else:
        shaper.cut()
    subscriber.wait_until(lambda: _subscribers(control) == 0)
    _publish(control, _MEANWHILE, receivers=0)
    shaper.mend()
    if subscriber.receive_until(lambda: _subscribers(control) == 1):
        _publish(control, _AFTER, receivers=1)
        subscriber.receive_until(lambda: _AFTER in subscriber.received)
    return Reception(
        loss=loss,
        receives_again=_AFTER in subscriber.received,
        raised=_ERROR in subscriber.received,
        was_notified=bool(set(subscriber.received) - {_ERROR, _AFTER}),
    )


class _Subscriber:
    """A process that hosts a subscriber, and what it has received: messages, notices and ``error`` for a raised one.

    Raises:
        SubjectError: it can't be hosted.
    """

    def __init__(self, loop: Loop, run: RunDirectory, subject: SubjectSpec, port: int) -> None:
        self._loop = loop
        self.received: list[str] = []
        self._host = HostProcess(subject, loop, run)
        try:
            self._host.wait_until_ready()
            self._host.make_instance("A", f"redis://{LOOPBACK}:{port}")
        except BaseException:
            self._host.kill()
            raise

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait without a call for a message. Raises ServerError if it does not come true."""
        if not self._loop.run_until(holds, WAITS_S):
            raise ServerError("The server does not notice that its subscriber has gone.")

    def receive_until(self, holds: Callable[[], bool]) -> bool:
        """Ask for the next message again and again, for at most WAITS_S; return whether the condition holds."""
        ends_s = self._loop.clock() + WAITS_S
        while not holds() and self._loop.clock() < ends_s:
            self._host.call("A", "dequeue", {}, self._take)
            if not self._loop.run_until(lambda: self._host.is_idle, PATIENCE_S):
                break
        return holds()

    def _take(self, answer: Answer) -> None:
        if "error" in answer:
            self.received.append(_ERROR)
        elif answer["ok"] is not None:
            self.received.append(str(answer["ok"]))

    def close(self) -> None:
        """End the process."""
        self._host.kill()


def _subscribers(control: Control) -> int:
    """Return the number of connections that are subscribed."""
    return cast("tuple[bytes, int]", control.call("PUBSUB", "NUMSUB", _CHANNEL))[1]


def _publish(control: Control, message: str, *, receivers: int) -> None:
    if (found := control.call("PUBLISH", _CHANNEL, message)) != receivers:
        raise ServerError(f"The server has {found!r} subscribers where {receivers} are expected.")
