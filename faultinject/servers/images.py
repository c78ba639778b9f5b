"""Images from packages, for engines behind an air gap: Redis from a binary, Toxiproxy from its Go module.

Each image is FROM scratch: one program, the libraries that it loads, nothing else. No registry is asked; what is not on
this machine comes from the package mirrors that a closed network has anyway (Debian's, Go's, PyPI's). The tags say so:
they never pass for the images that the makers publish.

Sources: https://docs.docker.com/build/building/base-images/ (FROM scratch), https://github.com/Shopify/toxiproxy/
(its Dockerfile: one static binary, the API on port 8474, ``-host=0.0.0.0``).
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.embedded import binary_from_the_wheel
from midpipe.faultinject.servers.engine import images_of_engine
from midpipe.faultinject.servers.go_module import run_to_end, toxiproxy_from_go

REDIS_IMAGE = "midpipe/redis:air-gapped"
TOXIPROXY_IMAGE = "midpipe/toxiproxy:air-gapped"
DEBIAN, WHEEL, GO = "debian", "wheel", "go"


@dataclass(frozen=True, slots=True)
class Program:
    """What an image runs.

    Args:
        path: the program, here.
        entry: the program inside.
        words: those that it is given unless others are.
        port: on which it listens.
        libraries: directories that hold its libraries, besides the system's.
    """

    path: Path
    entry: str
    port: int
    words: tuple[str, ...] = ()
    libraries: tuple[Path, ...] = ()


def build_redis(source: str = DEBIAN) -> str:
    """Build the image of a Redis-protocol server; return its tag.

    Args:
        source: DEBIAN takes redis-server from PATH, or else from Debian's packages, without installing them; WHEEL
            takes the embedded server; anything else is a path.

    Raises:
        ServerError: there is no such binary, or no engine.
    """
    with tempfile.TemporaryDirectory(prefix="midpipe-image-") as work:
        libraries: tuple[Path, ...] = ()
        if source == WHEEL:
            path = Path(binary_from_the_wheel())
        elif source == DEBIAN and (installed := shutil.which("redis-server")):
            path = Path(installed)
        elif source == DEBIAN:
            path, libraries = _from_debian("redis-server", Path(work))
        else:
            path = Path(source)
        return _build(REDIS_IMAGE, Program(path, "/redis-server", 6379, libraries=libraries))


def build_toxiproxy(source: str = GO) -> str:
    """Build the image of a Toxiproxy; return its tag.

    Args:
        source: GO has the Go tool chain build the server from its module; anything else is a path.

    Raises:
        ServerError: there is no such binary, no Go, or no engine.
    """
    with tempfile.TemporaryDirectory(prefix="midpipe-image-") as work:
        path = toxiproxy_from_go(Path(work)) if source == GO else Path(source)
        return _build(TOXIPROXY_IMAGE, Program(path, "/toxiproxy", 8474, ("-host=0.0.0.0",)))


def _build(tag: str, program: Program) -> str:
    if not program.path.is_file():
        raise ServerError(f"There is no program {str(program.path)!r} to make the image {tag} of.")
    files = {program.entry: program.path, **_libraries_of(program)}
    recipe = (
        f"FROM scratch\nCOPY root /\nWORKDIR /data\nEXPOSE {program.port}\n"
        f"ENTRYPOINT {json.dumps([program.entry])}\nCMD {json.dumps(program.words)}\n"
    )
    with images_of_engine() as images:
        images.build(fileobj=_context(recipe, files), custom_context=True, tag=tag, rm=True)
    return tag


def _context(recipe: str, files: Mapping[str, Path]) -> io.BytesIO:
    """Return what the engine builds of: the recipe, and a root with the files, each where it is looked for."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        text = recipe.encode()
        about = tarfile.TarInfo("Dockerfile")
        about.size = len(text)
        archive.addfile(about, io.BytesIO(text))
        for place, path in files.items():
            about = archive.gettarinfo(str(path.resolve()), f"root{place}")
            about.mode, about.uid, about.gid = 0o755, 0, 0
            with path.open("rb") as content:
                archive.addfile(about, content)
    packed.seek(0)
    return packed


def _libraries_of(program: Program) -> dict[str, Path]:
    """Return what the program loads, by the place where its loader looks; nothing if it is static."""
    search = ":".join(str(path) for path in program.libraries)
    listed = subprocess.run(
        ["ldd", str(program.path)],
        env={**os.environ, **({"LD_LIBRARY_PATH": search} if search else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        return {}
    missing = re.findall(r"^\s*(\S+) => not found", listed.stdout, re.MULTILINE)
    if missing:
        raise ServerError(f"{program.path} needs {', '.join(missing)}, and that is not here.")
    found: dict[str, Path] = {}
    for line in listed.stdout.splitlines():
        by_name = re.match(r"\s*(\S+) => (/\S+)", line)
        by_path = re.match(r"\s*(/\S+) \(", line)
        if by_name:
            found[f"/lib/{by_name[1]}"] = Path(by_name[2])
        elif by_path:
            found[by_path[1]] = Path(by_path[1])
    return found


def _from_debian(package: str, work: Path) -> tuple[Path, tuple[Path, ...]]:
    """Fetch a package and what it depends on, unpack them here, and return its program and its libraries."""
    root = work / "root"
    (work / "partial").mkdir()
    run_to_end(
        (
            *("apt-get", "install", "-y", "--download-only", "--no-install-recommends"),
            *("-o", f"Dir::Cache::archives={work}", "-o", "Debug::NoLocking=true", package),
        ),
        f"Debian's {package} can't be fetched",
    )
    for archive in sorted(work.glob("*.deb")):
        run_to_end(["dpkg", "-x", str(archive), str(root)], f"{archive.name} can't be unpacked")
    libraries = {path.parent for path in root.rglob("*.so*")}
    return root / "usr" / "bin" / package, tuple(sorted(libraries))
