"""A real Toxiproxy as a process on this machine: found, or built once from its Go module, and started on a free port.

It can't be asked to choose a port by itself, and goes on without a word that one would hear when its port is taken. So
it is started with a proxy of a name that only we know, and is ours if it shows that one. Knows no toxic.
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
from pathlib import Path

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.ports import LOOPBACK
from midpipe.faultinject.servers.reaper import RunDirectory
from midpipe.faultinject.toxiproxy.go_module import TOXIPROXY_VERSION, toxiproxy_from_go
from midpipe.faultinject.vocabulary import Address

_NAMES = ("toxiproxy-server", "toxiproxy")
_START_WITHIN_S = 10.0
_ASK_WITHIN_S = 1.0
_POLL_S = 0.01
_MOST_PORTS = 20


def binary(path: str = "") -> str:
    """Return the program of a Toxiproxy: this one, or one on PATH, or the one that is built and kept in the cache.

    Raises:
        ServerError: there is none, and none can be built.
    """
    if path:
        if not Path(path).is_file():
            raise ServerError(f"There is no Toxiproxy at {path!r}. Give the path of its server.")
        return path
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    kept = _cache() / f"toxiproxy-{TOXIPROXY_VERSION}"
    if not kept.is_file():
        _build(kept)
    return str(kept)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "midpipe"


def _build(kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=kept.parent) as work:
        # Whole or not at all, for whoever builds it at the same time.
        toxiproxy_from_go(Path(work)).replace(kept)


class ToxiproxyProcess:
    """A running Toxiproxy. Close it with ``close``; a run's leash ends it too.

    Args:
        path: as in ``binary``.

    Raises:
        ServerError: it can't be had, or does not start.
    """

    def __init__(self, run: RunDirectory, path: str = "") -> None:
        self._run = run
        self._directory = run.subdirectory("toxiproxy")
        program = binary(path)
        for port in itertools.islice(run.ports, _MOST_PORTS):
            self._process = self._started(program, port)
            self.api = Address(host=LOOPBACK, port=port)
            try:
                if self._is_ours():
                    return
            except BaseException:
                self.close()
                raise
            self.close()
        raise ServerError("Toxiproxy found no port to listen on. Are other servers being started?")

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._run.release(self._process.pid)

    def _started(self, program: str, port: int) -> subprocess.Popen[bytes]:
        self._mark = f"midpipe-{secrets.token_hex(8)}"
        config = self._directory / "config.json"
        mark = {"name": self._mark, "upstream": f"{LOOPBACK}:1", "enabled": False}
        config.write_text(json.dumps([mark]), encoding="utf-8")
        words = ["-host", LOOPBACK, "-port", str(port), "-config", str(config)]
        try:
            with (self._directory / "log").open("wb") as log:
                process = subprocess.Popen(
                    [program, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise ServerError(f"{program!r} can't be run: {error.strerror}.") from error
        self._run.guard(process.pid)
        return process

    def _is_ours(self) -> bool:
        """Wait until a Toxiproxy answers at the address; return whether it is this one."""
        base = f"http://{self.api}/proxies"
        deadline_s = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                raise ServerError(f"Toxiproxy ended with exit code {self._process.returncode}.")
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
