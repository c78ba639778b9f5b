"""Environments of released libraries: one for each release, made on first use and kept in a cache.

An environment is complete once its file ``complete`` is there, which holds the version that was installed; it is made
under a lock. uv makes it where it is installed, otherwise venv and pip. A library that was named without a version is
installed in its newest release, and that environment serves later runs which name this release.
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.queues import LIBRARIES, Library

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:==(?P<version>[A-Za-z0-9.!+_-]+))?"
)
_TAIL = 400
_COMPLETE = "complete"
# Constraints of the project that runs midpipe are not the library's.
_NOT_PASSED_ON = ("PIP_CONSTRAINT", "PIP_REQUIREMENT", "UV_CONSTRAINT", "PYTHONPATH")
_VERSION_OF = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"


@dataclass(frozen=True, slots=True)
class Release:
    """An installed release of a library.

    Args:
        python: the interpreter of its environment.
    """

    library: Library
    version: str
    python: Path

    @property
    def requirement(self) -> str:
        """The release as ``--queue`` takes it: ``rq==3.0.0``."""
        return f"{self.library.name}=={self.version}"


def installed(text: str) -> Release:
    """Return the release of a library that a user names, installed if it is not there yet.

    Args:
        text: ``rq`` or ``rq==2.12.0``.

    Raises:
        UsageError: midpipe has no adapter for the library, or the release can't be installed; says what the installer
            said last.
    """
    return install(*_named(text))


def install(library: Library, version: str) -> Release:
    """Return a release of a library, installed if it is not there yet.

    Args:
        version: empty for the newest.

    Raises:
        UsageError: the release can't be installed; says what the installer said last.
    """
    place = _place(library, version)
    with _locked(place.with_suffix(".lock")):
        complete = place / _COMPLETE
        if not complete.exists():
            shutil.rmtree(place, ignore_errors=True)
            complete.write_text(_made(place, library, version))
        found = complete.read_text()
    if not version:
        with suppress(FileExistsError):
            _place(library, found).symlink_to(place)
    return Release(library, found, place / "bin" / "python")


def subject_of(release: Release, spec: SubjectSpec) -> SubjectSpec:
    """Return a subject that is the release, hosted as ``spec`` says, with what its documentation promises.

    Args:
        spec: its promises count more than those of the documentation.
    """
    promises = {**release.library.promises, **dict(spec.promises)}
    return replace(
        spec,
        text=release.library.subject,
        python=str(release.python),
        library=release.requirement,
        promises=tuple(promises.items()),
    )


def _named(text: str) -> tuple[Library, str]:
    """Return the library, and the version that is wanted; empty for any. Raises UsageError."""
    match = _REQUIREMENT.fullmatch(text)
    library = LIBRARIES.get(match["name"].lower()) if match else None
    if match is None or library is None:
        known = ", ".join(LIBRARIES)
        raise UsageError(f"There is no adapter for the queue {text!r}. There is one for: {known}.")
    return library, match["version"] or ""


def _place(library: Library, version: str) -> Path:
    """Return the folder of a release's environment; an environment of another Python or adapter has another one."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "midpipe" / "queues"
    folder.mkdir(parents=True, exist_ok=True)
    of = " ".join((sys.executable, sys.version, version, *library.packages(version)))
    return folder / f"{library.name}-{hashlib.sha256(of.encode()).hexdigest()[:12]}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _made(place: Path, library: Library, version: str) -> str:
    """Make an environment; return the version that was installed. Raises UsageError."""
    packages = library.packages(version)
    # The uv that was installed beside midpipe, even if its environment is not activated.
    beside = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", "")))
    uv = shutil.which("uv", path=beside)
    python = str(place / "bin" / "python")
    if uv:
        _run((uv, "venv", "--quiet", "--python", sys.executable, str(place)), packages)
        _run((uv, "pip", "install", "--quiet", "--python", python, *packages), packages)
    else:
        _run((sys.executable, "-m", "venv", str(place)), packages)
        _run((python, "-m", "pip", "install", "--quiet", *packages), packages)
    return _run((python, "-c", _VERSION_OF, library.package), packages).strip()


def _run(command: Sequence[str], packages: Sequence[str]) -> str:
    """Run a command of the installer; return its output. Raises UsageError."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-_TAIL:]
        raise UsageError(f"{' '.join(packages)} can't be installed. The installer says: {said}")
    return done.stdout
