"""A single-threaded event loop over sockets, pipes and timers, driven step by step by its owner.

asyncio would do, but the owner runs "until every client is parked or done" between two decisions, thousands of times
a second, and a task switch each time would dominate. Knows no protocol.
"""

from __future__ import annotations

import heapq
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

_MOST_FILES = 1024
"""select() accepts file descriptors below this number."""
_READ, _WRITE = select.POLLIN, select.POLLOUT

Ready = Callable[[], None]


class HasFileno(Protocol):
    """Anything with a file descriptor."""

    def fileno(self) -> int: ...


class Timer:
    """A call that is due at a time of the loop's clock; ``cancel`` drops it."""

    __slots__ = ("action", "due_s")

    def __init__(self, due_s: float, action: Ready | None) -> None:
        self.due_s = due_s
        self.action = action

    def cancel(self) -> None:
        self.action = None

    def __lt__(self, other: Timer) -> bool:
        return self.due_s < other.due_s


class _Watch:
    """A file, its callbacks, and the events that epoll or poll watches it for."""

    __slots__ = ("events", "file", "number", "readable", "writable")

    def __init__(self, file: HasFileno, number: int) -> None:
        self.file = file
        self.number = number
        self.events = 0
        self.readable: Ready | None = None
        self.writable: Ready | None = None


class Loop:
    """Waits for readable and writable files and due timers, and calls back.

    Uses epoll (poll where there is none) directly: ``selectors`` would take most of a step's time.

    Args:
        clock: monotonic seconds.
        precise: busy-wait for the last millisecond before a timer, because epoll waits whole milliseconds. Keeps a
            processor busy.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, precise: bool = False
    ) -> None:
        self.clock = clock
        self._spins_below_s = 0.0015 if precise else 0.0
        self._watches: dict[int, _Watch] = {}
        self._timers: list[Timer] = []
        self._ready: int | None = None
        if sys.platform == "linux":
            self._system = select.epoll()
            self._per_second = 1
            # An epoll object is a file itself, readable when one of the files that it watches is ready.
            if self._system.fileno() < _MOST_FILES:
                self._ready = self._system.fileno()
        else:
            self._system = select.poll()
            self._per_second = 1000

    def watch_readable(self, file: HasFileno, ready: Ready) -> None:
        """Call ``ready`` whenever the file can be read."""
        watch = self._watch(file)
        watch.readable = ready
        self._ask_for(watch)

    def watch_writable(self, file: HasFileno, ready: Ready) -> None:
        """Call ``ready`` whenever the file can be written."""
        watch = self._watch(file)
        watch.writable = ready
        self._ask_for(watch)

    def forget_readable(self, file: HasFileno) -> None:
        """Stop watching for reads; does nothing for a file that is not watched."""
        watch = self._known(file)
        if watch is not None:
            watch.readable = None
            self._ask_for(watch)

    def forget_writable(self, file: HasFileno) -> None:
        """Stop watching for writes; does nothing for a file that is not watched."""
        watch = self._known(file)
        if watch is not None:
            watch.writable = None
            self._ask_for(watch)

    def forget(self, file: HasFileno) -> None:
        """Stop watching the file; does nothing for one that is not watched, or was closed."""
        watch = self._known(file)
        if watch is not None:
            # The file may be among those that are ready in the current step.
            watch.readable = watch.writable = None
            self._ask_for(watch)

    def _watch(self, file: HasFileno) -> _Watch:
        number = file.fileno()
        watch = self._watches.get(number)
        if watch is None or watch.file is not file:
            watch = self._watches[number] = _Watch(file, number)
        return watch

    def _known(self, file: HasFileno) -> _Watch | None:
        try:
            watch = self._watches.get(file.fileno())
        except ValueError:
            watch = None
        if watch is not None and watch.file is file:
            return watch
        return next((known for known in self._watches.values() if known.file is file), None)

    def _ask_for(self, watch: _Watch) -> None:
        events = (_READ if watch.readable else 0) | (_WRITE if watch.writable else 0)
        before, watch.events = watch.events, events
        if events == before:
            return
        if not events:
            del self._watches[watch.number]
            # Closing a file has unregistered it already.
            with suppress(OSError, KeyError):
                self._system.unregister(watch.number)
        elif before:
            self._system.modify(watch.number, events)
        else:
            self._system.register(watch.number, events)

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

    @property
    def has_timers(self) -> bool:
        """Whether something is to be called later."""
        return any(timer.action is not None for timer in self._timers)

    def step(self, at_most_s: float) -> bool:
        """Wait for the next event, at most ``at_most_s`` seconds, and handle what is ready; return whether any was."""
        if self._timers:
            at_most_s = min(at_most_s, max(0.0, self._timers[0].due_s - self.clock()))
            if self._spins_below_s:
                at_most_s = max(0.0, at_most_s - self._spins_below_s)
            elif at_most_s and self._ready is not None:
                # epoll rounds up to whole milliseconds, which is late for a timer; select does not.
                select.select((self._ready,), (), (), at_most_s)
                at_most_s = 0.0
        watches = self._watches
        # Collected before any callback runs: a descriptor that a callback closes may belong to another file a moment
        # later.
        ready = [
            (watches[number], events)
            for number, events in self._system.poll(at_most_s * self._per_second)
            if number in watches
        ]
        for watch, events in ready:
            # Errors and hang-ups are reported to both callbacks.
            if watch.readable is not None and events & ~_WRITE:
                watch.readable()
            if watch.writable is not None and events & ~_READ:
                watch.writable()
        if self._timers:
            self._run_due()
        return bool(ready)

    def _run_due(self) -> None:
        now_s = self.clock()
        while self._timers and self._timers[0].due_s <= now_s:
            action = heapq.heappop(self._timers).action
            if action is not None:
                action()

    def close(self) -> None:
        """Release the epoll object; files stay open, they belong to their owners."""
        if sys.platform == "linux":
            self._system.close()
