"""Runs a queue that is a service, for its adapter: a process with a Redis connection of its own, behind HTTP.

midpipe puts this file on the subject's import path. The service is a child of the client's process, so that a fault
which kills or freezes the client takes the service with it; the next client starts it again. Runs on Python 3.8.
"""

from __future__ import annotations

import atexit
import http.client
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_HOST = "127.0.0.1"
# Below the range from which the system takes ports for outgoing connections.
_FIRST_PORT, _PORTS = 20_000, 10_000


def plain_url(url: str) -> str:
    """Return a Redis URL without the time-outs in its query, for drivers that refuse unknown parameters."""
    return urlunsplit(urlsplit(url)._replace(query=""))


class Service:
    """A service that runs. End it with ``close``; it also ends with this process.

    Args:
        command: its program and arguments; ``{redis_url}``, ``{plain_redis_url}`` and ``{port}`` stand for values.
        ready: the path that answers GET with a status below 500 once the service can be used; or a text without a slash
            at its beginning, which stands in a line that the service then prints.
        within_s: how long it may take until then.
        timeout_s: how long each request may take.

    Raises:
        RuntimeError: it ended, or was not ready in time.
    """

    def __init__(
        self,
        command: Sequence[str],
        redis_url: str,
        ready: str = "/",
        within_s: float = 15.0,
        timeout_s: float = 10.0,
    ) -> None:
        self.port = _free_port()
        self._timeout_s = timeout_s
        values = {
            "redis_url": redis_url,
            "plain_redis_url": plain_url(redis_url),
            "port": self.port,
        }
        words = [word.format(**values) for word in command]
        prints = not ready.startswith("/")
        output = subprocess.PIPE if prints else None
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output)
        atexit.register(self.close)
        if prints:
            self._wait_for_line(ready.encode(), within_s)
        else:
            self._wait_until_ready(ready, within_s)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request with a JSON body; return the decoded answer, None if it is empty.

        Raises:
            OSError, http.client.HTTPException: the connection broke or timed out.
            RuntimeError: the service answered with a status of 400 or more.
        """
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=self._timeout_s)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        if response.status >= 400:
            raise RuntimeError(
                f"{method} {path} was answered with {response.status}: {answer[:200]}"
            )
        return json.loads(answer) if answer else None

    def close(self) -> None:
        """End the service."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _wait_for_line(self, text: bytes, within_s: float) -> None:
        found = threading.Event()

        def forward() -> None:
            for line in self._process.stdout or ():
                os.write(1, line)
                if text in line:
                    found.set()

        threading.Thread(target=forward, daemon=True).start()
        until_s = time.monotonic() + within_s
        while not found.wait(0.05):
            if self._process.poll() is not None:
                raise RuntimeError(f"The service ended with exit code {self._process.returncode}.")
            if time.monotonic() > until_s:
                self.close()
                raise RuntimeError(
                    f"The service did not print {text.decode()!r} within {within_s:g} s."
                )

    def _wait_until_ready(self, path: str, within_s: float) -> None:
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            if self._process.poll() is not None:
                raise RuntimeError(f"The service ended with exit code {self._process.returncode}.")
            try:
                connection = http.client.HTTPConnection(_HOST, self.port, timeout=1.0)
                connection.request("GET", path)
                if connection.getresponse().status < 500:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.01)
        self.close()
        raise RuntimeError(f"The service was not ready within {within_s:g} s at {path}.")


def _free_port() -> int:
    """Return a port that no process listens on; processes that ask at once begin at different places."""
    for offset in range(_PORTS):
        port = _FIRST_PORT + (os.getpid() * 7 + offset) % _PORTS
        with socket.socket() as probe:
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise RuntimeError("There is no free port for the service.")
