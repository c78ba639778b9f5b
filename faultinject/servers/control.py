"""midpipe's own connection to a server: plain calls, no retries, errors as sentences without passwords."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Protocol

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.readers import ReplyReader
from midpipe.faultinject.wire.resp import ErrorReply, ProtocolError, Reply, Value, encode_command

Word = bytes | str | int | float
_READ_BYTES = 65_536
"""Larger buffers are mapped by the C library and unmapped again, for each answer."""


class ReplyError(ServerError):
    """The server answered with an error; ``code`` is its first word."""

    def __init__(self, command: str, error: ErrorReply) -> None:
        super().__init__(f"The server answered {command} with: {error.message}")
        self.code = error.code


class UnreachableError(ServerError):
    """No server answers; ``fact`` says where and why, without what to do about it."""

    def __init__(self, fact: str) -> None:
        super().__init__(f"{fact} Start it, or leave --redis out to use the embedded one.")
        self.fact = fact


class Reader(Protocol):
    """Parses answers; as ``ReplyReader``."""

    def feed(self, data: bytes) -> None:
        """Add received bytes."""

    def next_reply(self) -> Reply | None:
        """Return the next complete answer; None if more bytes are needed."""

    def take_rest(self) -> bytes:
        """Remove and return what follows the last complete answer."""


class Control:
    """One connection in RESP2.

    Args:
        password, username: sent with AUTH if there is a password.
        database: selected if it is not 0.
        timeout_s: for connecting and for each answer, in seconds.
        reader: parses the answers; None takes one for any type and size.
        has_tls: speak TLS, and check the server's certificate; SSL_CERT_FILE names your own authorities.

    Raises:
        ServerError: no server listens there, or it refuses.
    """

    def __init__(
        self,
        address: Address,
        password: str | None = None,
        username: str | None = None,
        database: int = 0,
        *,
        timeout_s: float = 10.0,
        reader: Reader | None = None,
        has_tls: bool = False,
    ) -> None:
        self._address = address
        self._reader = reader or ReplyReader()
        self._socket = _connected(address, timeout_s)
        if has_tls:
            self._socket = _with_tls(self._socket, address)
        try:
            if password:
                self.call("AUTH", *([username] if username else []), password)
            if database:
                self.call("SELECT", database)
        except BaseException:
            self.close()
            raise

    def call(self, *words: Word) -> Value:
        """Send a command and return its answer.

        Raises:
            ReplyError: the server answered with an error.
            ServerError: the connection is gone.
        """
        value = self.pipeline([words])[0]
        if isinstance(value, ErrorReply):
            raise ReplyError(str(words[0]), value)
        return value

    def pipeline(self, commands: Sequence[Sequence[Word]]) -> tuple[Value, ...]:
        """Send commands in one write and return their answers, with error replies as values. Raises ServerError."""
        try:
            self._socket.sendall(b"".join(encode_command(*words) for words in commands))
        except OSError as error:
            raise self._no_answer(error) from error
        return tuple(self._next_value() for _ in commands)

    def monitor(self) -> Iterator[bytes]:
        """Send MONITOR, and return its lines as they arrive. No other command may be sent on the connection after that.

        Raises:
            ReplyError: the server does not allow MONITOR.
            ServerError: the connection is gone; also raised by the iterator.
        """
        self.call("MONITOR")
        # Each line is a simple string, with line breaks escaped. Parsing one by one would cost more than the commands.
        return self._lines()

    def _lines(self) -> Iterator[bytes]:
        rest = self._reader.take_rest()
        while True:
            *lines, rest = rest.split(b"\r\n")
            yield from (line[1:] for line in lines)
            rest += self._received()

    def _next_value(self) -> Value:
        try:
            while (reply := self._reader.next_reply()) is None:
                self._reader.feed(self._received())
        except ProtocolError as error:
            raise self._no_answer(error) from error
        return reply.value

    def _received(self) -> bytes:
        try:
            data = self._socket.recv(_READ_BYTES)
        except OSError as error:
            raise self._no_answer(error) from error
        if not data:
            raise ServerError(f"The server at {self._address} closed the connection.")
        return data

    def _no_answer(self, error: Exception) -> ServerError:
        reason = "timed out" if isinstance(error, BlockingIOError) else error
        if isinstance(error, OSError) and error.strerror and reason is error:
            reason = error.strerror
        return ServerError(f"The server at {self._address} does not answer: {reason}.")

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._socket.close()


def _connected(address: Address, timeout_s: float) -> socket.socket:
    try:
        if not address.path:
            where = (address.host, address.port)
            tcp = socket.create_connection(where, timeout_s, address.source_address)
            return _with_kernel_timeout(tcp, timeout_s)
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            unix.settimeout(timeout_s)
            unix.connect(address.path)
        except BaseException:
            unix.close()
            raise
        return _with_kernel_timeout(unix, timeout_s)
    except OSError as error:
        raise UnreachableError(
            f"No server answers at {address}: {error.strerror or error}."
        ) from error


def _with_tls(connected: socket.socket, address: Address) -> socket.socket:
    """Return the socket after a TLS handshake. Raises ServerError."""
    import ssl  # only an audit needs it

    try:
        return ssl.create_default_context().wrap_socket(connected, server_hostname=address.host)
    except OSError as error:
        connected.close()
        raise ServerError(
            f"No TLS connection to {address}: {error}. SSL_CERT_FILE names a file with your own authorities."
        ) from error


def _with_kernel_timeout(connected: socket.socket, timeout_s: float) -> socket.socket:
    """Return the socket, blocking and with its time-out kept by the kernel, which saves a poll before each read."""
    connected.setblocking(True)
    microseconds = max(1, round(timeout_s * 1_000_000))
    time_out = struct.pack("ll", *divmod(microseconds, 1_000_000))
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, time_out)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, time_out)
    return connected
