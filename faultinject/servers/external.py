"""Somebody's server, named by URL: used only if the database named is empty, and left empty.

midpipe empties exactly that database (FLUSHDB), never the server. The script cache belongs to all databases,
so it stays as it is.
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
    """What a URL says. Its repr holds no password."""

    address: Address
    database: int
    username: str | None
    secret: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Location({self.address}, database {self.database})"

    @property
    def password(self) -> str | None:
        return self.secret[0] if self.secret else None


def parse_url(url: str) -> Location:
    """Read ``redis://[user[:password]@]host[:port][/database]`` or ``unix://[user[:password]@]/path[?db=n]``.

    Raises:
        UsageError: it can't be read, or the server is not on this machine. Never tells the password.
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
    if host not in _LOOPBACK:
        raise UsageError(
            f"The server at {host} is not on this machine, and midpipe breaks connections on loopback only. "
            "Forward a port to it (ssh -L) and name that."
        )
    return Location(Address(host=host, port=port), _database_in_path(parts), username, secret)


class ExternalServer:
    """A server that somebody else started.

    Raises:
        ServerError: it does not answer, wants other credentials, or the database holds something.
    """

    is_ours = False
    persistence = Persistence.NONE

    def __init__(self, url: str) -> None:
        where = parse_url(url)
        self.address = where.address
        self.username, self.password, self.database = where.username, where.password, where.database
        control = self._connected()
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
        """Empty the database that the user named."""
        control.call("FLUSHDB")

    def restart(self) -> None:
        """Refuse: it is somebody else's."""
        raise UsageError(f"The server at {self.address} is not midpipe's to kill.")

    def readdress(self) -> None:
        """Refuse: it is somebody else's."""
        raise UsageError(f"The server at {self.address} is not midpipe's to kill.")

    def fail_snapshots(self, control: Control) -> None:
        """Refuse: it is somebody else's."""
        raise UsageError(f"The server at {self.address} is not midpipe's to change.")

    def mend_snapshots(self, control: Control) -> None:
        """Nothing to undo."""

    def stand_still(self) -> None:
        """Refuse: it is somebody else's."""
        raise UsageError(f"The server at {self.address} is not midpipe's to stop.")

    def go_on(self) -> None:
        """Nothing to undo."""

    def stop(self) -> None:
        """Leave the database as empty as it was found."""
        try:
            control = self._connected()
        except ServerError:
            return
        try:
            control.call("FLUSHDB")
        finally:
            control.close()

    def _connected(self) -> Control:
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
