"""Commands that are held back: which they are, and when each is delivered, after its client has moved on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from midpipe.faultinject.net.link import Link
from midpipe.faultinject.vocabulary import Executed, Step, WireEvent
from midpipe.faultinject.wire.resp import Reply
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.reply_text import shown_reply
from midpipe.scenarios.case.rig import Rig

DELIVERED_WITHIN_S = 10.0


@dataclass(slots=True)
class _Held:
    link: Link
    step: Step
    left: int | None


class HeldCommands:
    """The held commands of one case."""

    def __init__(self, rig: Rig, book: Recorder) -> None:
        self._rig = rig
        self._book = book
        self._held: list[_Held] = []
        self._came_late: set[tuple[str, int, int]] = set()
        self._unanswered: Step | None = None

    def hold(self, link: Link, step: Step, held_for: int | None) -> None:
        """Keep a command of the link; ``held_for`` further events of its client, or until ``release_all``."""
        self._held.append(_Held(link, step, held_for))

    def holds_write_of(self, client: str, operation: int, attempt: int) -> bool:
        """Whether a write of that attempt is still under way, or came late and changed something."""
        return self.came_late(client, operation, attempt) or any(
            held.step.event.is_write
            and held.step.event.position.client == client
            and (held.step.event.index.operation, held.step.event.index.attempt)
            == (operation, attempt)
            for held in self._held
        )

    def came_late(self, client: str, operation: int, attempt: int) -> bool:
        """Whether a write of that attempt came late and changed something."""
        return (client, operation, attempt) in self._came_late

    def server_stopped_at(self, step: Step) -> None:
        """The server was stopped before it could run this command; it runs it when it goes on."""
        self._unanswered = step

    def server_went_on(self) -> bool:
        """Record that the server has run what it was stopped at; return whether that changed its state."""
        if self._unanswered is None:
            return False
        changed = self._book.arrived(self._unanswered)
        self._unanswered = None
        self.release_due()
        return changed

    def count_down(self, event: WireEvent) -> None:
        """An event of a client has happened."""
        for held in tuple(self._held):
            position = held.step.event.position
            if held.left is None or position.client != event.position.client:
                continue
            if position == event.position:
                continue
            held.left -= 1

    def release_due(self) -> None:
        """Deliver what was held for as many events as have happened by now."""
        for held in tuple(self._held):
            if held.left is not None and held.left <= 0:
                self._release(held)

    def release_all(self) -> None:
        """Deliver everything that is still held."""
        for held in tuple(self._held):
            self._release(held)

    def _release(self, held: _Held) -> None:
        self._held.remove(held)
        replies: list[Reply | None] = []
        held.link.release_held(replies.append)
        if not self._rig.loop.run_until(lambda: bool(replies), DELIVERED_WITHIN_S):
            self._book.invalid_reason = (
                f"the held command {held.step.event.position} was not answered"
            )
            return
        reply = replies[0]
        executed = Executed.YES if reply is not None else Executed.UNKNOWN
        if self._book.arrived(replace(held.step, executed=executed, reply=shown_reply(reply))):
            event = held.step.event
            self._came_late.add((event.position.client, event.index.operation, event.index.attempt))
