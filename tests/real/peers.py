"""The two ends of a proxy in tests: an upstream that runs a given function, and what either end saw of the other.

Plain bytes; knows no Redis. It distinguishes how a connection ends: by FIN, by RST, or not at all.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from midpipe.faultinject.vocabulary import Address

FIN, RST, OPEN = "FIN", "RST", "open"
PATIENCE_S = 10.0
QUIET_S = 0.3


@dataclass(frozen=True, slots=True)
class Seen:
    """What one end received: the bytes, how the connection ended, and after how many seconds."""

    data: bytes
    end: str
    after_s: float

    @property
    def outcome(self) -> tuple[bytes, str]:
        """The part that every run repeats: all but the time."""
        return self.data, self.end


def seen_by(
    end: socket.socket,
    quiet_s: float = PATIENCE_S,
    enough: int | None = None,
    since_s: float | None = None,
) -> Seen:
    """Read until the connection ends, enough bytes have arrived, or nothing has arrived for a while.

    Args:
        since_s: from when time is taken; before the sending, lest a slow machine has it begin too late. None: from now.
    """
    begun_s = time.monotonic() if since_s is None else since_s
    found = b""
    end.settimeout(quiet_s)
    how = OPEN
    try:
        while enough is None or len(found) < enough:
            data = end.recv(65536)
            if not data:
                how = FIN
                break
            found += data
    except ConnectionResetError:
        how = RST
    except TimeoutError:
        pass
    return Seen(found, how, time.monotonic() - begun_s)


class Upstream:
    """A server that runs a function for each connection in a thread, and keeps the results."""

    def __init__(self, serve: Callable[[socket.socket], Seen]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self.address = Address(host=host, port=port)
        self._seen: queue.Queue[Seen] = queue.Queue()
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def seen(self) -> Seen:
        """Return the result of the next connection, once it has ended."""
        return self._seen.get(timeout=PATIENCE_S)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve_one, args=(accepted,))
            self._threads.append(thread)
            thread.start()

    def _serve_one(self, accepted: socket.socket) -> None:
        with accepted:
            self._seen.put(self._serve(accepted))


def echoes(end: socket.socket) -> Seen:
    """Send back whatever arrives, until the client disconnects."""
    found = b""
    end.settimeout(PATIENCE_S)
    how = OPEN
    begun_s = time.monotonic()
    try:
        while data := end.recv(65536):
            found += data
            end.sendall(data)
        how = FIN
    except (ConnectionResetError, BrokenPipeError):
        how = RST
    except TimeoutError:
        pass
    return Seen(found, how, time.monotonic() - begun_s)


@contextmanager
def upstream(serve: Callable[[socket.socket], Seen] = echoes) -> Iterator[Upstream]:
    """Start an upstream; yields it."""
    started = Upstream(serve)
    yield started
    started.close()


def connected(listen: str) -> socket.socket:
    """Connect to an address of the form host:port."""
    host, _, port = listen.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)
