"""A single-threaded event loop over sockets, pipes and timers, driven step by step by whoever owns it.

asyncio would do, but the engine wants to ask "run until every client is parked or done" between two
decisions, thousands of times a second, without a task switch. Knows no protocol.
"""

from __future__ import annotations

import heapq
import select
import selectors
import time
from collections.abc import Callable
from typing import Protocol

_MOST_FILES = 1024
"""Those that select can wait for."""

Ready = Callable[[], None]


class HasFileno(Protocol):
    """Anything with a file descriptor."""

    def fileno(self) -> int: ...


class Timer:
    """A call that is due at a time of the loop's clock; ``cancel`` forgets it."""

    __slots__ = ("action", "due_s")

    def __init__(self, due_s: float, action: Ready | None) -> None:
        self.due_s = due_s
        self.action = action

    def cancel(self) -> None:
        self.action = None

    def __lt__(self, other: Timer) -> bool:
        return self.due_s < other.due_s


class _Watch:
    """What is called when a file can be read, and when it can be written."""

    __slots__ = ("readable", "writable")

    def __init__(self) -> None:
        self.readable: Ready | None = None
        self.writable: Ready | None = None


class Loop:
    """Waits for readable and writable files and due timers, and calls back.

    Args:
        clock: monotonic seconds.
        precise: spin for the last millisecond before a timer, since a selector waits whole ones. Costs a processor.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, precise: bool = False
    ) -> None:
        self.clock = clock
        self._spins_below_s = 0.0015 if precise else 0.0
        self._selector = selectors.DefaultSelector()
        self._timers: list[Timer] = []
        # The selector is a file itself, and can be read when one of those that it watches is ready.
        number = getattr(self._selector, "fileno", lambda: _MOST_FILES)()
        self._ready: int | None = number if number < _MOST_FILES else None

    def watch_readable(self, file: HasFileno, ready: Ready) -> None:
        """Call ``ready`` whenever the file can be read."""
        self._watch(file).readable = ready
        self._ask_for(file)

    def watch_writable(self, file: HasFileno, ready: Ready) -> None:
        """Call ``ready`` whenever the file can be written."""
        self._watch(file).writable = ready
        self._ask_for(file)

    def forget_readable(self, file: HasFileno) -> None:
        """Stop watching whether the file can be read; a file that is not watched is fine."""
        if file in self._selector.get_map():
            self._watch(file).readable = None
            self._ask_for(file)

    def forget_writable(self, file: HasFileno) -> None:
        """Stop watching whether the file can be written; a file that is not watched is fine."""
        if file in self._selector.get_map():
            self._watch(file).writable = None
            self._ask_for(file)

    def _watch(self, file: HasFileno) -> _Watch:
        try:
            watch = self._selector.get_key(file).data
        except KeyError:
            return self._new_watch(file)
        assert isinstance(watch, _Watch)
        return watch

    def _new_watch(self, file: HasFileno) -> _Watch:
        watch = _Watch()
        self._selector.register(file, selectors.EVENT_READ, watch)
        return watch

    def _ask_for(self, file: HasFileno) -> None:
        key = self._selector.get_key(file)
        watch = self._watch(file)
        events = (selectors.EVENT_READ if watch.readable else 0) | (
            selectors.EVENT_WRITE if watch.writable else 0
        )
        if not events:
            self._selector.unregister(file)
        elif events != key.events:
            self._selector.modify(file, events, watch)

    def forget(self, file: HasFileno) -> None:
        """Stop watching; a file that is not watched is fine."""
        try:
            watch = self._selector.unregister(file).data
        except (KeyError, ValueError):
            return
        # It may be among those that are ready in this very step.
        watch.readable = watch.writable = None

    def call_later(self, delay_s: float, action: Ready) -> Timer:
        """Call ``action`` once, ``delay_s`` seconds from now."""
        timer = Timer(self.clock() + delay_s, action)
        heapq.heappush(self._timers, timer)
        return timer

    def run_until(self, satisfied: Callable[[], bool], within_s: float) -> bool:
        """Run until a condition holds; return whether it does, after at most ``within_s`` seconds."""
        if satisfied():
            return True
        deadline_s = self.clock() + within_s
        while True:
            now_s = self.clock()
            if now_s >= deadline_s:
                return False
            self.step(deadline_s - now_s)
            if satisfied():
                return True

    def step(self, at_most_s: float) -> None:
        """Wait for the next thing to happen, at most so long, and handle what is ready."""
        if self._timers:
            at_most_s = min(at_most_s, max(0.0, self._timers[0].due_s - self.clock()))
            if self._spins_below_s:
                at_most_s = max(0.0, at_most_s - self._spins_below_s)
            elif at_most_s and self._ready is not None:
                # A selector rounds up to whole milliseconds, which is late for a timer; this one does not.
                select.select((self._ready,), (), (), at_most_s)
                at_most_s = 0.0
        for key, events in self._selector.select(at_most_s):
            watch: _Watch = key.data
            if watch.readable is not None and events & selectors.EVENT_READ:
                watch.readable()
            if watch.writable is not None and events & selectors.EVENT_WRITE:
                watch.writable()
        if self._timers:
            self._run_due()

    def _run_due(self) -> None:
        now_s = self.clock()
        while self._timers and self._timers[0].due_s <= now_s:
            action = heapq.heappop(self._timers).action
            if action is not None:
                action()

    def close(self) -> None:
        """Release the selector; the files stay their owners'."""
        self._selector.close()
