"""Lets the first SIGINT or SIGTERM ask a command to stop, and the second one end it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_asked() -> Iterator[threading.Event]:
    """Yield an event that is set by the first signal."""
    asked = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        for each in signals:
            signal.signal(each, signal.default_int_handler)

    before = {each: signal.signal(each, stop) for each in signals}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
