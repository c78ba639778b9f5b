"""Environments of released libraries: one for each release, made on first use and kept in a cache.

An environment is complete once its file ``complete`` is there, which holds the version that was installed; it is made
under a lock. A library that was named without a version is installed in its newest release, and that environment serves
later runs which name this release.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.queues import FOLDER, LIBRARIES, Language, Library
from midpipe.scenarios.subjects.installers import install_into, key_of, python_of, subject_text

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:==(?P<version>[A-Za-z0-9.!+_-]+))?"
)
_COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Release:
    """An installed release of a library.

    Args:
        place: the folder of its environment.
    """

    target: Library
    version: str
    place: Path

    @property
    def subject(self) -> str:
        """The release's adapter as ``--subject`` takes it."""
        return subject_text(self.target, self.place)

    @property
    def python(self) -> str:
        """The interpreter of its environment; that of midpipe if it is not written in Python."""
        has_own = self.target.language is Language.PYTHON and bool(self.target.package)
        return str(python_of(self.place)) if has_own else sys.executable

    @property
    def requirement(self) -> str:
        """The release as ``--queue`` takes it: ``rq==3.0.0``; the name alone of what comes with midpipe."""
        return f"{self.target.name}=={self.version}" if self.version else self.target.name


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
    if not library.package:
        if version:
            raise UsageError(
                f"{library.name} comes with midpipe, so it is named without a version."
            )
        return Release(library, "", FOLDER)
    place = _place(library, version)
    with _locked(place.with_suffix(".lock")):
        complete = place / _COMPLETE
        if not complete.exists():
            shutil.rmtree(place, ignore_errors=True)
            complete.write_text(install_into(library, version, place))
        found = complete.read_text()
    if not version:
        with suppress(FileExistsError):
            _place(library, found).symlink_to(place)
    return Release(library, found, place)


def subject_of(release: Release, spec: SubjectSpec) -> SubjectSpec:
    """Return a subject that is the release, hosted as ``spec`` says, with what its documentation promises.

    Args:
        spec: its promises count more than those of the documentation.
    """
    promises = {**release.target.promises, **dict(spec.promises)}
    return replace(
        spec,
        text=release.subject,
        python=release.python,
        requirement=release.requirement,
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
    """Return the folder of a release's environment."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "midpipe" / "queues"
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(key_of(library, version).encode()).hexdigest()[:12]
    # Recommended settings need no installation of their own.
    return folder / f"{library.variant_of or library.name}-{key}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
