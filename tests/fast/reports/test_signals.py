"""The first signal asks a command to stop, whatever the main thread is doing at that instant."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time

import pytest

from midpipe.reports.cli.signals import stop_asked


class InterruptedWhileWriting(io.RawIOBase):
    """A stream to which a SIGINT comes in the middle of a write."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        signal.raise_signal(signal.SIGINT)
        assert isinstance(data, memoryview | bytes)
        return len(data)


def test_a_signal_in_the_middle_of_a_write_to_standard_error_only_asks_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors = io.TextIOWrapper(io.BufferedWriter(InterruptedWhileWriting()))
    monkeypatch.setattr(sys, "stderr", errors)
    with stop_asked() as asked:
        sys.stderr.write("a line of progress\n")
        sys.stderr.flush()
        assert asked.is_set()


def test_a_signal_ends_the_wait_for_it() -> None:
    with stop_asked() as asked:
        interrupt = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
        interrupt.start()
        begun_s = time.monotonic()
        assert asked.wait(60)
        assert time.monotonic() - begun_s < 30
        interrupt.join()


def test_the_second_signal_ends_the_command_at_once() -> None:
    with stop_asked():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_without_a_signal_the_wait_ends_unasked() -> None:
    with stop_asked() as asked:
        assert not asked.wait(0.01)
