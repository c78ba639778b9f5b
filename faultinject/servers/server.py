"""The port to every server that midpipe breaks, whether it started the server or the user did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import Address


def empty(control: Control) -> None:
    """Delete all data and functions of a server that midpipe started; loaded scripts stay."""
    # FUNCTION FLUSH takes ten times as long as FUNCTION LIST; before 7.0 both are errors.
    _, functions = control.pipeline((("FLUSHALL",), ("FUNCTION", "LIST")))
    if isinstance(functions, tuple) and functions:
        control.call("FUNCTION", "FLUSH")


class Replica(Protocol):
    """The other server of a pair: it receives the writes of the one that clients are connected to."""

    def fall_behind(self) -> None:
        """Disconnect the replica once it has all writes; it receives no more until ``catch_up``."""

    def catch_up(self) -> None:
        """Connect the replica again and wait until it has all writes; does nothing if it is connected."""

    def fail_over(self) -> None:
        """Kill the primary (SIGKILL), and promote the replica with the data that it has."""


class Disk(Protocol):
    """The files of a server that midpipe can reach."""

    @property
    def appended(self) -> Path:
        """The append-only file."""

    def lose_power(self, kept: int) -> None:
        """Kill the server, and start it again on the first so many bytes of its append-only file."""


class Server(Protocol):
    """A Redis-protocol server that midpipe may write to and empty.

    Attributes:
        address: where it listens now; a restart may change it.
        name: software, version and origin, for reports.
        is_ours: whether midpipe started it, and so may reconfigure, kill and suspend it.
        persistence: how it persists its data; NONE for an external server.
    """

    address: Address
    name: str
    username: str | None
    password: str | None
    database: int
    is_ours: bool
    persistence: Persistence

    @property
    def pids(self) -> tuple[int, ...]:
        """Its processes, where midpipe knows them."""

    @property
    def replica(self) -> Replica | None:
        """Its replica; None if it has none."""

    @property
    def disk(self) -> Disk | None:
        """Its files; None if midpipe can't reach them."""

    def reset(self, control: Control) -> None:
        """Delete the data of the last case. Loaded scripts stay, as in production from the second call on."""

    def restart(self) -> None:
        """Kill the server, and start it again on its persisted data. Raises UsageError unless ``is_ours``."""

    def readdress(self) -> None:
        """As ``restart``, at another address. Raises UsageError unless ``is_ours``."""

    def fail_snapshots(self, control: Control) -> None:
        """Make a snapshot fail, so that the server refuses writes. Raises UsageError unless ``is_ours``."""

    def restore_snapshots(self, control: Control) -> None:
        """Undo fail_snapshots; does nothing without it."""

    def suspend(self) -> None:
        """Suspend the server's process. Raises UsageError unless ``is_ours``."""

    def resume(self) -> None:
        """Resume the server's process; does nothing if it is not suspended."""

    def stop(self) -> None:
        """End a server that midpipe started; empty the database of an external one."""


def fields_of(info: object) -> Mapping[str, str]:
    """Return the fields of an answer to INFO."""
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else str(info)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def software(info: object) -> str:
    """Return software and version from an answer to INFO server."""
    fields = fields_of(info)
    if "valkey_version" in fields:
        return f"Valkey {fields['valkey_version']}"
    return f"Redis {fields.get('redis_version', 'of unknown version')}"
