"""A real Toxiproxy as a process on this machine: found on PATH, or built once with Go, and started on a free port.

Toxiproxy can't report a port that the system chose, and does not exit when its port is taken. So it is started with a
proxy of a random name, and is the right server if it shows that proxy. Knows no toxic.

Source: https://github.com/Shopify/toxiproxy/ (``cmd/server``; the linker sets its version).
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.ports import LOOPBACK
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.vocabulary import Address

TOXIPROXY_VERSION = "2.12.0"
_MODULE = "github.com/Shopify/toxiproxy/v2"
_NAMES = ("toxiproxy-server", "toxiproxy")
_BUILT_WITHIN_S = 600.0
_START_WITHIN_S = 10.0
_ASK_WITHIN_S = 1.0
_POLL_S = 0.01
_MOST_PORTS = 20
_INSTEAD = "Install toxiproxy-server, name its file with --toxiproxy, or choose --via midpipe."

Notify = Callable[[str], None]
"""Takes a sentence about what takes long."""


def toxiproxy_binary(path: str = "", notify: Notify = lambda text: None) -> str:
    """Return the program of a Toxiproxy: the given one, or one on PATH, or the cached one, built if need be.

    Args:
        notify: called before a build.

    Raises:
        ServerError: there is none, and none can be built.
    """
    if path:
        if not Path(path).is_file():
            raise ServerError(f"There is no file {path!r}. {_INSTEAD}")
        return path
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    cached = _cache() / f"toxiproxy-{TOXIPROXY_VERSION}"
    if not cached.is_file():
        if shutil.which("go") is None:
            raise ServerError(f"There is no Toxiproxy on PATH, and no Go to build one. {_INSTEAD}")
        notify(
            f"Go builds Toxiproxy {TOXIPROXY_VERSION} now, which takes a minute or two. "
            f"Later runs find it at {cached}."
        )
        _build(cached)
    return str(cached)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "midpipe"


def _build(target: Path) -> None:
    """Build a static server by way of the Go module proxy. Raises ServerError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=target.parent) as work:
        flags = f"-s -w -X {_MODULE}.Version={TOXIPROXY_VERSION}"
        module = f"{_MODULE}/cmd/server@v{TOXIPROXY_VERSION}"
        try:
            built = subprocess.run(
                ("go", "install", "-ldflags", flags, module),
                env={**os.environ, "CGO_ENABLED": "0", "GOBIN": work},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_BUILT_WITHIN_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServerError(f"Go can't build Toxiproxy: {error}. {_INSTEAD}") from error
        if built.returncode:
            reason = " ".join(built.stderr.split())[-400:]
            raise ServerError(f"Go can't build Toxiproxy: {reason}. {_INSTEAD}")
        # Renamed when complete, because another process may be building it as well.
        (Path(work) / "server").replace(target)


class ToxiproxyProcess:
    """A running Toxiproxy. Close it with ``close``; a run's reaper ends it too.

    Attributes:
        api: where its HTTP API answers.

    Args:
        path, notify: as ``toxiproxy_binary`` takes them.

    Raises:
        ServerError: there is none, or it does not start.
    """

    def __init__(
        self, run: RunDirectory, path: str = "", notify: Notify = lambda text: None
    ) -> None:
        self._run = run
        self._directory = run.subdirectory("toxiproxy")
        program = toxiproxy_binary(path, notify)
        for port in itertools.islice(run.ports, _MOST_PORTS):
            self._process = self._start(program, port)
            self.api = Address(host=LOOPBACK, port=port)
            try:
                if self._is_ours():
                    return
            except BaseException:
                self.close()
                raise
            self.close()
        raise ServerError(f"Toxiproxy could not listen on any of {_MOST_PORTS} ports. Try again.")

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._run.release(self._process.pid)

    def _start(self, program: str, port: int) -> subprocess.Popen[bytes]:
        self._mark = f"midpipe-{secrets.token_hex(8)}"
        config = self._directory / "config.json"
        mark = {"name": self._mark, "upstream": f"{LOOPBACK}:1", "enabled": False}
        config.write_text(json.dumps([mark]), encoding="utf-8")
        words = ["-host", LOOPBACK, "-port", str(port), "-config", str(config)]
        try:
            with (self._directory / "log").open("wb") as log:
                return self._run.start([program, *words], stdout=log, stderr=log)
        except OSError as error:
            raise ServerError(f"{program!r} can't be run: {error.strerror}.") from error

    def _is_ours(self) -> bool:
        """Wait until a Toxiproxy answers at the address; return whether it is this one."""
        base = f"http://{self.api}/proxies"
        deadline_s = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                raise ServerError(f"Toxiproxy exited with code {self._process.returncode}.")
            try:
                with urllib.request.urlopen(base, timeout=_ASK_WITHIN_S) as answer:
                    if self._mark not in json.load(answer):
                        return False
            except (OSError, ValueError):
                time.sleep(_POLL_S)
                continue
            forget = urllib.request.Request(f"{base}/{self._mark}", method="DELETE")
            urllib.request.urlopen(forget, timeout=_ASK_WITHIN_S).close()
            return True
        raise ServerError(f"Toxiproxy did not answer within {_START_WITHIN_S:.0f} s.")
