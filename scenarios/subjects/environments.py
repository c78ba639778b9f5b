"""Environments of released libraries: one for each release, made on first use and kept in a cache.

An environment is made in a directory of its own and renamed into place once it is whole, under a lock; so one that was
interrupted is never used. uv makes it where it is installed, otherwise venv and pip.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.queues import LIBRARIES, Library

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:==(?P<version>[A-Za-z0-9.!+_-]+))?"
)
_TAIL = 400


def library_named(text: str) -> tuple[Library, str]:
    """Return the library that a user names, and its requirement.

    Args:
        text: ``rq`` or ``rq==2.12.0``.

    Raises:
        UsageError: midpipe has no adapter for it.
    """
    match = _REQUIREMENT.fullmatch(text)
    library = LIBRARIES.get(match["name"].lower()) if match else None
    if library is None:
        known = ", ".join(LIBRARIES)
        raise UsageError(f"There is no adapter for the queue {text!r}. There is one for: {known}.")
    return library, text


def interpreter_for(requirement: str, library: Library) -> Path:
    """Return the interpreter of an environment with a release of a library, made if it is not there yet.

    Raises:
        UsageError: the release can't be installed; says what the installer said last.
    """
    packages = (requirement, *library.requires)
    version = ".".join(map(str, sys.version_info[:2]))
    key = hashlib.sha256(" ".join((version, *packages)).encode()).hexdigest()[:12]
    place = _cache() / f"{library.name}-{key}"
    interpreter = place / "bin" / "python"
    with _locked(place.with_suffix(".lock")):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            _make(place, packages)
            (place / "complete").touch()
    return interpreter


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "midpipe" / "queues"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(place: Path, packages: Sequence[str]) -> None:
    uv = shutil.which("uv")
    if uv:
        _run((uv, "venv", "--quiet", "--python", sys.executable, str(place)), packages)
        python = str(place / "bin" / "python")
        _run((uv, "pip", "install", "--quiet", "--python", python, *packages), packages)
        return
    _run((sys.executable, "-m", "venv", str(place)), packages)
    _run((str(place / "bin" / "pip"), "install", "--quiet", *packages), packages)


def _run(command: Sequence[str], packages: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-_TAIL:]
        raise UsageError(f"{' '.join(packages)} can't be installed. The installer says: {said}")
