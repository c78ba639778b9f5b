"""What every server to break has in common, however it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import Address


def empty(control: Control) -> None:
    """Empty every database of a server of ours, and its functions, if it has any; scripts stay known."""
    # To flush functions takes the server ten times as long as to tell that there are none; before 7.0 it is an error.
    _, functions = control.pipeline((("FLUSHALL",), ("FUNCTION", "LIST")))
    if isinstance(functions, tuple) and functions:
        control.call("FUNCTION", "FLUSH")


class Server(Protocol):
    """A Redis-protocol server that midpipe may write to and empty.

    Attributes:
        name: software, version and where it came from, for reports.
        is_ours: midpipe started it, and may change how it works, not only what it holds.
        persistence: what it keeps, if it is ours.
        address: where it listens now; a restart may change it.
    """

    address: Address
    name: str
    username: str | None
    password: str | None
    database: int
    is_ours: bool
    persistence: Persistence

    def reset(self, control: Control) -> None:
        """Empty it for the next case. Scripts stay known, as they are in the field from the second call on."""

    def restart(self) -> None:
        """Kill the server, and start it again on what it has kept. Only for one that is ours."""

    def readdress(self) -> None:
        """As ``restart``, and it comes back at another address. Only for one that is ours."""

    def fail_snapshots(self, control: Control) -> None:
        """Have a snapshot fail, so that the server takes no writes. Only for one that is ours."""

    def mend_snapshots(self, control: Control) -> None:
        """End fail_snapshots; fine without it."""

    def stand_still(self) -> None:
        """Stop the server where it is. Only for one that is ours."""

    def go_on(self) -> None:
        """End stand_still; fine without it."""

    def stop(self) -> None:
        """Give it back: our own server ends, somebody else's is left as empty as it was."""


def fields_of(info: object) -> Mapping[str, str]:
    """Return the fields of a server's answer to INFO."""
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else str(info)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def software(info: object) -> str:
    """Return name and version out of the server's answer to INFO server."""
    fields = fields_of(info)
    if "valkey_version" in fields:
        return f"Valkey {fields['valkey_version']}"
    return f"Redis {fields.get('redis_version', 'of unknown version')}"
