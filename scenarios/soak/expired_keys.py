"""Counts the keys that expired on a server, over all its restarts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from midpipe.faultinject.servers.server import fields_of
from midpipe.scenarios.case.rig import Rig


class ExpiredKeys:
    """The number of keys that expired since this was made.

    Attributes:
        count: as it was read last.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._of_process = self._ask()
        self.count = 0

    def read(self) -> None:
        """Add what has expired since the last reading."""
        now = self._ask()
        self.count += now - self._of_process
        self._of_process = now

    @contextmanager
    def across_a_kill(self) -> Iterator[None]:
        """Read before the server is killed, and begin with what the server after it has counted."""
        self.read()
        yield
        self._of_process = self._ask()

    def _ask(self) -> int:
        return int(fields_of(self._rig.control.call("INFO", "stats"))["expired_keys"])
