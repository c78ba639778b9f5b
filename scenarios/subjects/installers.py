"""Installs a release of a library into a folder of its own: with uv or pip, npm, or go. Knows no cache."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.queues import FOLDER, Language, Library

_TAIL = 400
# Constraints of the project that runs midpipe are not the library's.
_NOT_PASSED_ON = ("PIP_CONSTRAINT", "PIP_REQUIREMENT", "UV_CONSTRAINT", "PYTHONPATH", "GOFLAGS")
_VERSION_OF = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
_HERE = Path(__file__).parent
_NODE_HOST = _HERE / "host.mjs"
_GO_SOURCES = (_HERE / "host.go", _HERE / "job" / "midpipe_job.go")
_GO_PROGRAM = "adapter"


def install_into(library: Library, version: str, place: Path) -> str:
    """Install a release into a folder that does not exist yet; return the version that was installed.

    Args:
        version: empty for the newest.

    Raises:
        UsageError: it can't be installed; says what the installer said last.
    """
    return _INSTALLERS[library.language](library, version, place)


def key_of(library: Library, version: str) -> str:
    """Return a text that differs for installations that must not be shared."""
    words = [version, *library.packages(version)]
    if library.language is Language.PYTHON:
        words += [sys.executable, sys.version]
    if library.language is Language.GO:
        words += [source.read_text("utf-8") for source in (*_GO_SOURCES, _named(library)[0])]
    return "\n".join(words)


def subject_text(library: Library, place: Path) -> str:
    """Return what ``--subject`` would take for a release that is installed in a folder."""
    if library.language is Language.PYTHON:
        return f"{FOLDER / library.adapter}"
    file, name = _named(library)
    if library.language is Language.NODE:
        words = ["node", str(_NODE_HOST), str(file), f"MIDPIPE_PACKAGES={place}"]
        words += [f"MIDPIPE_CLASS={name}"] if name else []
    else:
        words = [str(place / _GO_PROGRAM), *([name] if name else [])]
    return f"command: {shlex.join(words)}"


def _named(library: Library) -> tuple[Path, str]:
    """Return the file of an adapter, and the name that follows it; empty if none does."""
    file, _, name = library.adapter.partition(":")
    return FOLDER / file, name


def python_of(place: Path) -> Path:
    """Return the interpreter of an environment for Python."""
    return place / "bin" / "python"


def _install_python(library: Library, version: str, place: Path) -> str:
    packages = library.packages(version)
    # The uv that was installed beside midpipe, even if its environment is not activated.
    beside = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", "")))
    uv = shutil.which("uv", path=beside)
    python = str(python_of(place))
    if uv:
        _run((uv, "venv", "--quiet", "--python", sys.executable, str(place)), library)
        _run((uv, "pip", "install", "--quiet", "--python", python, *packages), library)
    else:
        _run((sys.executable, "-m", "venv", str(place)), library)
        _run((python, "-m", "pip", "install", "--quiet", *packages), library)
    return _run((python, "-c", _VERSION_OF, library.package), library).strip()


def _install_node(library: Library, version: str, place: Path) -> str:
    place.mkdir()
    (place / "package.json").write_text("{}")
    _run(
        ("npm", "install", "--silent", "--no-audit", "--no-fund", *library.packages(version)),
        library,
        place,
    )
    manifest = (place / "node_modules" / library.package / "package.json").read_text("utf-8")
    return str(json.loads(manifest)["version"])


def _install_go(library: Library, version: str, place: Path) -> str:
    place.mkdir()
    (place / "go.mod").write_text("module midpipe.test/adapter\n\ngo 1.22\n")
    _run(("go", "get", *library.packages(version)), library, place)
    for source in (*_GO_SOURCES, _named(library)[0]):
        shutil.copy(source, place)
    _run(("go", "build", "-o", _GO_PROGRAM, "."), library, place)
    found = _run(("go", "list", "-m", "-f", "{{.Version}}", library.package), library, place)
    return found.strip().removeprefix("v")


_INSTALLERS: Mapping[Language, Callable[[Library, str, Path], str]] = MappingProxyType(
    {
        Language.PYTHON: _install_python,
        Language.NODE: _install_node,
        Language.GO: _install_go,
    }
)


def _run(command: Sequence[str], library: Library, folder: Path | None = None) -> str:
    """Run a command of the installer; return its output. Raises UsageError."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, cwd=folder
        )
    except OSError as error:
        raise UsageError(
            f"{library.name} needs {command[0]}, which can't be started: {error.strerror}."
        ) from None
    if done.returncode != 0:
        said = _end_of(done.stderr or done.stdout)
        raise UsageError(f"{library.name} can't be installed. The installer says: {said}")
    return done.stdout


def _end_of(text: str) -> str:
    """Return the last lines of a text, on one line: as many whole ones as are short enough, and one at least."""
    *earlier, last = text.strip().splitlines() or [""]
    end = " ".join(last.split())[-_TAIL:]
    for line in reversed(earlier):
        longer = " ".join(f"{line} {end}".split())
        if len(longer) > _TAIL:
            break
        end = longer
    return end
