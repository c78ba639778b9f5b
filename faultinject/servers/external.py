"""A server that the user names by URL: used only if the named database is empty, and left empty.

midpipe deletes only its own keys, in exactly that database. The script cache belongs to all databases, so
midpipe does not flush it.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control, ReplyError
from midpipe.faultinject.servers.external_remains import Remains, note_names
from midpipe.faultinject.servers.foreign_writes import ForeignWrites, is_seen_as, source_for
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import software
from midpipe.faultinject.vocabulary import LOCK_KEY, Address
from midpipe.faultinject.wire.commands import parse_command_table

SCHEMES = ("redis", "unix")
_LEASE_MS = 120_000
"""How long a lock outlasts its run; it is renewed before each case."""
_KEYS_AT_ONCE = 1_000
_LOCK = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
_UNLOCK = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Location:
    """The parts of a URL. Its repr holds no password."""

    address: Address
    database: int
    username: str | None
    secret: tuple[str, ...]
    has_tls: bool = False

    def __repr__(self) -> str:
        return f"Location({self.address}, database {self.database})"

    @property
    def password(self) -> str | None:
        return self.secret[0] if self.secret else None


def parse_url(url: str, *, may_be_remote: bool = False) -> Location:
    """Read ``redis://[user[:password]@]host[:port][/database]`` or ``unix://[user[:password]@]/path[?db=n]``.

    Args:
        may_be_remote: accept a server on another machine, also by TLS (``rediss://``): one that is only read.

    Raises:
        UsageError: the URL is malformed or of another kind, or the server is not on this machine. The message holds no
            password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError as error:
        raise UsageError("The URL given to --redis can't be read: is its port a number?") from error
    schemes = (*SCHEMES, "rediss") if may_be_remote else SCHEMES
    if parts.scheme not in schemes:
        raise UsageError(
            f"The URL given to --redis must begin with {', '.join(f'{scheme}://' for scheme in schemes)}."
        )
    secret = (unquote(parts.password),) if parts.password else ()
    username = unquote(parts.username) if parts.username else None
    if parts.scheme == "unix":
        return Location(Address(path=parts.path), _database_in_query(parts), username, secret)
    host = parts.hostname or "localhost"
    if host not in _LOOPBACK and not may_be_remote:
        raise UsageError(
            f"The server at {host} is not on this machine, and midpipe breaks connections on loopback only. "
            "Forward a port to it (ssh -L) and name that."
        )
    where = Address(host=host, port=port)
    has_tls = parts.scheme == "rediss"
    return Location(where, _database_in_path(parts), username, secret, has_tls)


class ExternalServer:
    """A server that the user started.

    Before each case midpipe checks that no other client has written to the database (``foreign_writes``), and deletes
    exactly the keys that were there before that check. A key with a lease keeps a second run out.

    Args:
        url: as ``parse_url`` takes it.
        run: has what is left in the database deleted if midpipe is killed.
        watches_writes: whether to check before each case that no other client has written; the lock holds anyway.

    Raises:
        ServerError: it does not answer, refuses the credentials, or the database is not empty.
        UsageError: as ``parse_url`` raises it, or another run uses the database.
    """

    is_ours = False
    persistence = Persistence.NONE
    pids: tuple[int, ...] = ()
    replica = disk = None

    def __init__(
        self, url: str, run: RunDirectory | None = None, *, watches_writes: bool = True
    ) -> None:
        where = parse_url(url)
        self.username, self.password, self.database = where.username, where.password, where.database
        self.address = where.address
        self._token = f"pid {os.getpid()} on {socket.gethostname()}, {secrets.token_hex(8)}"
        self._known: set[bytes] = set()
        self._writes: ForeignWrites | None = None
        self._has_foreign_write = False
        self._file = run.path / f"external-{secrets.token_hex(4)}" if run else None
        if watches_writes:
            self.address = replace(where.address, source=self._source())
        with closing(self._connect()) as control:
            self._lock(control)
            try:
                self._watch(control)
                self._check_is_empty(control)
                self.name = (
                    f"{software(control.call('INFO', 'server'))} at {self.address}/{self.database}"
                )
                self._at_end = self._have_remains_deleted(run)
            except BaseException:
                self._end_use(control)
                raise

    def reset(self, control: Control) -> None:
        """Delete all data in the database that the user named.

        Raises:
            UsageError: another client writes to the database, or another run of midpipe does; nothing is deleted.
        """
        self._lock(control)
        keys = [key for key in _keys(control) if key != LOCK_KEY.encode()]
        if self._writes is not None:
            try:
                foreign = self._writes.since_last(control)
            except ServerError:
                foreign = self._watch_again(keys)
            if foreign:
                self._has_foreign_write = True
                raise UsageError(
                    f"Another client writes to database {self.database} at {self.address}, which midpipe empties "
                    f"between cases: {foreign}. midpipe has stopped and deletes nothing more there. "
                    "Name a database that is used by midpipe only."
                )
        new = [key for key in keys if key not in self._known]
        if new and self._file is not None:
            note_names(self._file, new)
        self._known.update(new)
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            control.call("UNLINK", *keys[start : start + _KEYS_AT_ONCE])

    def restart(self) -> None:
        """Refuse: midpipe did not start the server."""
        raise UsageError(
            f"midpipe did not start the server at {self.address}, so it may not kill it."
        )

    def readdress(self) -> None:
        """Refuse: midpipe did not start the server."""
        raise UsageError(
            f"midpipe did not start the server at {self.address}, so it may not kill it."
        )

    def fail_snapshots(self, control: Control) -> None:
        """Refuse: midpipe did not start the server."""
        raise UsageError(
            f"midpipe did not start the server at {self.address}, so it may not reconfigure it."
        )

    def restore_snapshots(self, control: Control) -> None:
        """Do nothing: there is nothing to undo."""

    def suspend(self) -> None:
        """Refuse: midpipe did not start the server."""
        raise UsageError(
            f"midpipe did not start the server at {self.address}, so it may not suspend it."
        )

    def resume(self) -> None:
        """Do nothing: there is nothing to undo."""

    def stop(self) -> None:
        """Empty the database, as it was found, unless another client has written to it."""
        try:
            control = self._connect()
        except ServerError:
            return
        with closing(control):
            if not self._has_foreign_write:
                # Nothing that could be said now would help: the run is over.
                with suppress(ServerError, UsageError):
                    self.reset(control)
            self._end_use(control)
        if self._at_end is not None:
            self._at_end.unlink(missing_ok=True)

    def _source(self) -> str:
        """Return a source address by which the server can recognise midpipe's connections; empty without one."""
        source = source_for(self.address)
        if not source:
            return ""
        address = replace(self.address, source=source)
        try:
            with closing(Control(address, self.password, self.username, self.database)) as control:
                return source if is_seen_as(control, source) else ""
        except ServerError:
            # Whatever is wrong shows again, with its reason, when midpipe connects from no special address.
            return ""

    def _lock(self, control: Control) -> None:
        """Take or renew the lock. Raises UsageError if another run has it."""
        holder = control.call("EVAL", _LOCK, 1, LOCK_KEY, self._token, _LEASE_MS)
        if isinstance(holder, bytes) and holder != self._token.encode():
            who = holder.decode("utf-8", "replace").partition(",")[0]
            raise UsageError(
                f"Another run of midpipe ({who}) uses database {self.database} at {self.address}. "
                "Name another database (…/9), or wait until it has ended."
            )

    def _end_use(self, control: Control) -> None:
        """Give the lock back, and stop watching."""
        if self._writes is not None:
            self._writes.close()
        with suppress(ServerError):
            control.call("EVAL", _UNLOCK, 1, LOCK_KEY, self._token)

    def _watch(self, control: Control) -> None:
        """Watch for writes by others from now on, if the server shows who sends a command."""
        if self.address.source:
            table = parse_command_table(control.call("COMMAND"))
            with suppress(ReplyError):
                self._writes = ForeignWrites(
                    self._connect, table, self.database, self.address.source
                )

    def _check_is_empty(self, control: Control) -> None:
        held = len(_keys(control)) - 1
        if held > 0:
            keys = "1 key" if held == 1 else f"{held} keys"
            raise ServerError(
                f"Database {self.database} at {self.address} holds {keys}. midpipe empties the "
                "database between cases, so it takes an empty one only; nothing was touched. "
                "Name another database (…/9) or leave --redis out."
            )

    def _have_remains_deleted(self, run: RunDirectory | None) -> Path | None:
        """Register with the reaper that what is left is deleted if midpipe dies; return what undoes that."""
        if run is None or self._file is None:
            return None
        Remains(self.address, self.username, self.password, self.database, self._token).write(
            self._file
        )
        program = [sys.executable, "-m", "midpipe.faultinject.servers.external_remains"]
        return run.at_end([*program, str(self._file)])

    def _watch_again(self, keys: list[bytes]) -> str:
        """Watch anew after the connection was cut; return a key that may be another client's, as text."""
        assert self._writes is not None
        self._writes = self._writes.reopened()
        unknown = [key for key in keys if key not in self._known]
        return f"key {unknown[0].decode('utf-8', 'backslashreplace')}" if unknown else ""

    def _connect(self) -> Control:
        control: Control | None = None
        try:
            control = Control(self.address, self.password, self.username, self.database)
            control.call("PING")
        except ReplyError as error:
            if control is not None:
                control.close()
            raise ServerError(f"{error} (at {self.address}). {_way_out(error.code)}") from error
        return control


def _way_out(code: str) -> str:
    """Return what the user can do about an error that the server returned for one of the first commands."""
    if code in ("NOAUTH", "WRONGPASS"):
        return "Give user and password in the URL: redis://user:password@host:port/database."
    if code == "NOPERM":
        return "Give the user the right to run every command on every key of the database."
    return "Check the URL: redis://user:password@host:port/database."


def _keys(control: Control) -> tuple[bytes, ...]:
    answer = control.call("KEYS", "*")
    return (
        tuple(key for key in answer if isinstance(key, bytes)) if isinstance(answer, tuple) else ()
    )


def _database_in_path(parts: SplitResult) -> int:
    return _database(parts.path.strip("/") or _query(parts))


def _database_in_query(parts: SplitResult) -> int:
    return _database(_query(parts))


def _query(parts: SplitResult) -> str:
    return parse_qs(parts.query).get("db", ["0"])[0]


def _database(text: str) -> int:
    if not text.isdigit():
        raise UsageError(
            f"The database in the URL given to --redis must be a number; got {text!r}."
        )
    return int(text)
