"""Watches an external database on MONITOR for writes that are not midpipe's.

All of midpipe's connections come from a loopback address that no other program uses (``source_for``), so the server
shows for each command whether it is midpipe's. Knows nothing of what is done about a foreign write.

Blind to: servers that see another address (behind a forwarded port, on a unix socket), and those that refuse MONITOR.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator

from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import CommandTable

_LINE = re.compile(rb"[0-9.]+ \[(\d+) ([^\]]+)\] (.*)", re.DOTALL)
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SHOWN_WORDS = 2
_LONGEST_HEAD = 4_096
_IPV4_LOOPBACK = ("localhost", "127.0.0.1")


def source_for(address: Address) -> str:
    """Return an address of this machine's loopback to connect from; empty if the server is not on that."""
    if address.host not in _IPV4_LOOPBACK:
        return ""
    return ".".join(["127", *(str(secrets.randbelow(250) + 2) for _ in range(3))])


def is_seen_as(control: Control, source: str) -> bool:
    """Whether the server sees a connection as one from that address."""
    (info,) = control.pipeline([("CLIENT", "INFO")])
    return isinstance(info, bytes) and f" addr={source}:".encode() in info


class ForeignWrites:
    """Follows the commands of one database. Close it with ``close``.

    Args:
        connect: opens a connection.
        source: the address from which midpipe connects.

    Raises:
        ReplyError: the server refuses MONITOR.
    """

    def __init__(
        self, connect: Callable[[], Control], table: CommandTable, database: int, source: str
    ) -> None:
        self._arguments = (connect, table, database, source)
        self._monitor = connect()
        self._table = table
        self._database = str(database).encode()
        self._source = f"{source}:".encode()
        try:
            self._lines: Iterator[bytes] = self._monitor.monitor()
        except BaseException:
            self.close()
            raise

    def since_last(self, control: Control) -> str:
        """Return the first write by another client since the last call, as text; empty if there is none.

        Args:
            control: midpipe's own connection to the server.

        Raises:
            ServerError: the connection was cut, so nothing is known of that time.
        """
        mark = secrets.token_hex(8)
        control.call("ECHO", mark)
        found = ""
        for line in self._lines:
            parts = _LINE.match(line[:_LONGEST_HEAD])
            if parts is None or parts[2] == b"lua":
                continue
            if parts[2].startswith(self._source):
                if mark.encode() in parts[3]:
                    break
            elif parts[1] == self._database:
                found = found or self._write_in(parts[2], parts[3])
        return found

    def reopened(self) -> ForeignWrites:
        """Return one that follows the commands from now on; this one is closed."""
        self.close()
        return ForeignWrites(*self._arguments)

    def close(self) -> None:
        """Close the connection."""
        self._monitor.close()

    def _write_in(self, sender: bytes, command: bytes) -> str:
        """Return a foreign command as text if it may write; empty if it only reads."""
        words = _WORD.findall(command)
        if not words or not self._may_write(words):
            return ""
        shown = b" ".join(words[:_SHOWN_WORDS]).decode("utf-8", "backslashreplace")
        return f"{shown} from {sender.decode('ascii', 'replace')}"

    def _may_write(self, words: list[bytes]) -> bool:
        """Whether a command may write; what only sets up a connection, such as SELECT, does not."""
        spec = self._table.spec(words)
        runs_script = words[0].upper().startswith((b"EVAL", b"FCALL"))
        return (
            spec is None or "write" in spec.flags or (runs_script and self._table.is_write(words))
        )
