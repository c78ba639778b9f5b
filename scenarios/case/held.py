"""Commands that reach the server after their client has moved on: which they are, and when each is delivered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.vocabulary import Executed, Step, WireEvent
from midpipe.faultinject.wire.resp import Reply
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.reply_text import reply_text

ANSWERED_WITHIN_S = 10.0
"""How long the server may take to answer a command that was delivered, before the case is invalid."""


@dataclass(slots=True)
class _Held:
    """A command that the link holds back.

    Args:
        events_left: how many further events of its client it waits for; None waits for the end of the case.
    """

    link: Link
    step: Step
    events_left: int | None


class HeldCommands:
    """The commands of one case that are held, and the one that a paused server has not run yet."""

    def __init__(self, loop: Loop, recorder: Recorder) -> None:
        self._loop = loop
        self._recorder = recorder
        self._held: list[_Held] = []
        self._under_way: list[_Held] = []
        self._came_late: set[tuple[str, int, int]] = set()
        self._unanswered: Step | None = None

    def hold(
        self, link: Link, step: Step, held_for: int | None, has_given_up: Callable[[], bool]
    ) -> None:
        """Hold a command of the link. It is delivered early if its client has given up and uses the link again.

        Args:
            held_for: until so many further events of its client have happened; None: until ``release_all``.
            has_given_up: whether the client no longer waits for the command.
        """
        held = _Held(link, step, held_for)
        self._held.append(held)

        def deliver_first() -> None:
            if has_given_up():
                self._deliver(held)

        link.on_used_again = deliver_first

    def holds_write_of(self, client_id: str, operation: int, attempt: int) -> bool:
        """Whether a write of that attempt is still held, or came late and changed something."""
        return self.came_late(client_id, operation, attempt) or any(
            held.step.event.is_write
            and held.step.event.position.client == client_id
            and (held.step.event.index.operation, held.step.event.index.attempt)
            == (operation, attempt)
            for held in self._held
        )

    def came_late(self, client_id: str, operation: int, attempt: int) -> bool:
        """Whether a write of that attempt came late and changed something."""
        return (client_id, operation, attempt) in self._came_late

    def keep_unanswered(self, step: Step) -> None:
        """Keep the command at which the server was paused; the server runs it when it resumes."""
        self._unanswered = step

    def record_after_pause(self) -> bool:
        """Record that the server ran the command that it had been paused at; return whether that changed anything."""
        if self._unanswered is None:
            return False
        changed = self._recorder.record_arrival(self._unanswered)
        self._unanswered = None
        self.release_due()
        return changed

    def count_down(self, event: WireEvent) -> None:
        """Count an event for the held commands of its client."""
        for held in self._held:
            position = held.step.event.position
            is_later_event = position.client == event.position.client and position != event.position
            if held.events_left is not None and is_later_event:
                held.events_left -= 1

    def release_due(self) -> None:
        """Deliver the commands that have waited for as many events as they were to."""
        for held in tuple(self._held):
            if held.events_left is not None and held.events_left <= 0:
                self._release(held)

    def release_all(self) -> None:
        """Deliver every command that is still held."""
        for held in tuple(self._held):
            self._release(held)
        for held in tuple(self._under_way):
            self._await(held)

    def _release(self, held: _Held) -> None:
        """Deliver a command and record what it did; if the server does not answer it, the case is invalid."""
        self._deliver(held)
        self._await(held)

    def _await(self, held: _Held) -> None:
        """Wait until a delivered command is answered."""
        if not self._loop.run_until(lambda: held not in self._under_way, ANSWERED_WITHIN_S):
            self._recorder.invalid_reason = (
                f"the server did not answer {held.step.event.position}, delivered late, "
                f"within {ANSWERED_WITHIN_S:.0f} s"
            )

    def _deliver(self, held: _Held) -> None:
        """Deliver a command; what it did is recorded once the server has answered."""
        self._held.remove(held)
        self._under_way.append(held)
        held.link.release_held(lambda reply: self._arrived(held, reply))

    def _arrived(self, held: _Held, reply: Reply | None) -> None:
        self._under_way.remove(held)
        event = held.step.event
        executed = Executed.YES if reply is not None else Executed.UNKNOWN
        arrived = replace(held.step, executed=executed, reply=reply_text(reply))
        if self._recorder.record_arrival(arrived):
            self._came_late.add((event.position.client, event.index.operation, event.index.attempt))
