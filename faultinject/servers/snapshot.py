"""A snapshot that a server is meant to take, and can't: so it stops writing, as long as it is meant to.

Whoever owns the server puts a directory in the snapshot's place first; no file can be put there.
"""

from __future__ import annotations

import time

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.server import fields_of

SNAPSHOT = "dump.rdb"
_FAILED_WITHIN_S = 20.0
_POLL_S = 0.003


def await_failed_snapshot(control: Control) -> None:
    """Have the server want snapshots, begin one, and wait until it has seen it fail.

    Raises:
        ServerError: the snapshot did not fail.
    """
    control.pipeline((("CONFIG", "SET", "save", "3600 1"), ("BGSAVE",)))
    deadline_s = time.monotonic() + _FAILED_WITHIN_S
    told = fields_of(control.call("INFO", "persistence"))
    while told.get("rdb_bgsave_in_progress") != "0" and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        told = fields_of(control.call("INFO", "persistence"))
    if (told.get("rdb_bgsave_in_progress"), told.get("rdb_last_bgsave_status")) != ("0", "err"):
        raise ServerError("The server took a snapshot that was meant to fail.")


def want_no_snapshots(control: Control) -> None:
    """Have the server want no snapshots any more, so that a failed one stops it from nothing."""
    control.call("CONFIG", "SET", "save", "")
