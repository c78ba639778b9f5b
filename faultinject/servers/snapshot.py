"""Makes a server's snapshot fail: while it is configured to take snapshots, it then refuses writes (MISCONF).

The caller first creates a directory in the place of the snapshot's file.
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
    """Configure snapshots, start one, and wait until the server reports that it failed.

    Raises:
        ServerError: the snapshot succeeded, or took too long.
    """
    control.pipeline((("CONFIG", "SET", "save", "3600 1"), ("BGSAVE",)))
    deadline_s = time.monotonic() + _FAILED_WITHIN_S
    status = fields_of(control.call("INFO", "persistence"))
    while status.get("rdb_bgsave_in_progress") != "0" and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        status = fields_of(control.call("INFO", "persistence"))
    if (status.get("rdb_bgsave_in_progress"), status.get("rdb_last_bgsave_status")) != ("0", "err"):
        raise ServerError(
            "The server's snapshot did not fail, though a directory is in its file's place."
        )


def disable_snapshots(control: Control) -> None:
    """Configure no snapshots, so that the server accepts writes again."""
    control.call("CONFIG", "SET", "save", "")
