"""Lets the first SIGINT or SIGTERM ask a command to stop, and the second one end it at once.

The handler runs between two instructions of whatever the main thread does, so it prints nothing and takes no lock: a
buffered stream that is being written raises, and a lock that is held is never released.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether a signal has asked the command to stop.

    Args:
        readable: a file descriptor that becomes readable, and stays so, when the signal arrives.
    """

    def __init__(self, readable: int) -> None:
        # Not select(), which refuses a descriptor above 1023, and a soak opens many.
        self._arrived = select.poll()
        self._arrived.register(readable, select.POLLIN)

    def is_set(self) -> bool:
        """Return whether the signal has arrived."""
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Wait for the signal, at most so long; return whether it has arrived."""
        return bool(self._arrived.poll(seconds * 1000))


@contextmanager
def stop_asked() -> Iterator[StopRequest]:
    """Yield a request that the first signal sets."""
    readable, writable = os.pipe()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.default_int_handler)
        os.write(writable, b"\0")

    before = {each: signal.signal(each, stop) for each in signals}
    try:
        yield StopRequest(readable)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        os.close(readable)
        os.close(writable)
