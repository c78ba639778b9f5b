"""A server that the user names by URL: used only if the named database is empty, and left empty.

midpipe empties exactly that database (FLUSHDB), never the whole server. The script cache belongs to all databases, so
midpipe does not flush it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.servers.control import Control, ReplyError
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import software
from midpipe.faultinject.vocabulary import Address

SCHEMES = ("redis", "unix")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Location:
    """The parts of a URL. Its repr holds no password."""

    address: Address
    database: int
    username: str | None
    secret: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Location({self.address}, database {self.database})"

    @property
    def password(self) -> str | None:
        return self.secret[0] if self.secret else None


def parse_url(url: str, *, may_be_remote: bool = False) -> Location:
    """Read ``redis://[user[:password]@]host[:port][/database]`` or ``unix://[user[:password]@]/path[?db=n]``.

    Args:
        may_be_remote: accept a server on another machine: one that is only read.

    Raises:
        UsageError: the URL is malformed, or the server is not on this machine. The message holds no password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError as error:
        raise UsageError("The URL given to --redis can't be read: is its port a number?") from error
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
    return Location(Address(host=host, port=port), _database_in_path(parts), username, secret)


class ExternalServer:
    """A server that the user started.

    Args:
        url: as ``parse_url`` takes it.

    Raises:
        ServerError: it does not answer, refuses the credentials, or the database is not empty.
        UsageError: as ``parse_url`` raises it.
    """

    is_ours = False
    persistence = Persistence.NONE

    def __init__(self, url: str) -> None:
        where = parse_url(url)
        self.address = where.address
        self.username, self.password, self.database = where.username, where.password, where.database
        control = self._connect()
        try:
            held = control.call("DBSIZE")
            if held != 0:
                raise ServerError(
                    f"Database {self.database} at {self.address} holds {held!r} keys. midpipe empties the "
                    "database between cases, so it takes an empty one only; nothing was touched. "
                    "Name another database (…/9) or leave --redis out."
                )
            self.name = (
                f"{software(control.call('INFO', 'server'))} at {self.address}/{self.database}"
            )
        finally:
            control.close()

    def reset(self, control: Control) -> None:
        """Delete all data in the database that the user named."""
        control.call("FLUSHDB")

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
        """Empty the database, as it was found."""
        try:
            control = self._connect()
        except ServerError:
            return
        try:
            control.call("FLUSHDB")
        finally:
            control.close()

    def _connect(self) -> Control:
        control: Control | None = None
        try:
            control = Control(self.address, self.password, self.username, self.database)
            control.call("PING")
        except ReplyError as error:
            if control is not None:
                control.close()
            raise ServerError(
                f"{error} (at {self.address}). Give user and password in the URL: "
                "redis://user:password@host:port/database."
            ) from error
        return control


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
