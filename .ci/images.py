#!/usr/bin/env python3
"""Builds the two images that the container tests need, where no registry can be reached. Used by .ci/docker.

Each image is FROM scratch: one program and the libraries that it loads. The program comes from this machine or from a
package mirror (Debian's, Go's, PyPI's), never from a registry. The tags say so; they are not the makers' images.

Usage: images.py redis|toxiproxy, with an interpreter that has midpipe.

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
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.embedded import binary_from_the_wheel
from midpipe.faultinject.toxiproxy.binary import toxiproxy_binary


@dataclass(frozen=True, slots=True)
class Image:
    """What an image runs.

    Args:
        program: the path of the program on this machine.
        entry: the path of the program inside.
        arguments: the default arguments.
        search_path: directories that hold the program's libraries, besides the system's.
    """

    tag: str
    program: Path
    entry: str
    port: int
    arguments: tuple[str, ...] = ()
    search_path: tuple[Path, ...] = ()


def redis_image(work: Path) -> Image:
    """Return the image of redis-server from PATH or Debian's package, or else of the embedded server."""
    search_path: tuple[Path, ...] = ()
    if installed := shutil.which("redis-server"):
        program = Path(installed)
    else:
        try:
            program, search_path = from_debian("redis-server", work)
        except (OSError, subprocess.CalledProcessError):
            program = Path(binary_from_the_wheel())
    return Image(
        "midpipe/redis:air-gapped", program, "/redis-server", 6379, search_path=search_path
    )


def toxiproxy_image() -> Image:
    """Return the image of the Toxiproxy on PATH, or else of one that is built from its Go module."""
    program = Path(toxiproxy_binary())
    return Image(
        "midpipe/toxiproxy:air-gapped", program, "/toxiproxy", 8474, arguments=("-host=0.0.0.0",)
    )


def build(image: Image) -> None:
    """Have the engine build an image."""
    files = {image.entry: image.program, **libraries_of(image)}
    recipe = (
        f"FROM scratch\nCOPY root /\nWORKDIR /data\nEXPOSE {image.port}\n"
        f"ENTRYPOINT {json.dumps([image.entry])}\nCMD {json.dumps(image.arguments)}\n"
    )
    subprocess.run(
        ("docker", "build", "--quiet", "--tag", image.tag, "-"),
        input=build_context(recipe, files),
        check=True,
    )


def build_context(recipe: str, files: Mapping[str, Path]) -> bytes:
    """Return a tar archive of the recipe and of a root that holds the files."""
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
    return packed.getvalue()


def libraries_of(image: Image) -> dict[str, Path]:
    """Return the libraries that the program loads, by their path inside; none if it is static."""
    search = ":".join(str(path) for path in image.search_path)
    listed = subprocess.run(
        ("ldd", str(image.program)),
        env={**os.environ, **({"LD_LIBRARY_PATH": search} if search else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        return {}
    if missing := re.findall(r"^\s*(\S+) => not found", listed.stdout, re.MULTILINE):
        sys.exit(f"{image.program} needs {', '.join(missing)}, which this machine lacks.")
    found: dict[str, Path] = {}
    for line in listed.stdout.splitlines():
        if by_name := re.match(r"\s*(\S+) => (/\S+)", line):
            found[f"/lib/{by_name[1]}"] = Path(by_name[2])
        elif by_path := re.match(r"\s*(/\S+) \(", line):
            found[by_path[1]] = Path(by_path[1])
    return found


def from_debian(package: str, work: Path) -> tuple[Path, tuple[Path, ...]]:
    """Fetch a package with its dependencies, unpack them, and return the program and its library path."""
    root = work / "root"
    (work / "partial").mkdir()
    subprocess.run(
        (
            *("apt-get", "install", "-y", "-qq", "--download-only", "--no-install-recommends"),
            *("-o", f"Dir::Cache::archives={work}", "-o", "Debug::NoLocking=true", package),
        ),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    for archive in sorted(work.glob("*.deb")):
        subprocess.run(("dpkg", "-x", str(archive), str(root)), check=True)
    libraries = {path.parent for path in root.rglob("*.so*")}
    return root / "usr" / "bin" / package, tuple(sorted(libraries))


def main(words: Sequence[str]) -> None:
    """Build the image that the command line names."""
    if list(words) not in (["redis"], ["toxiproxy"]):
        sys.exit("usage: images.py redis|toxiproxy")
    with tempfile.TemporaryDirectory(prefix="midpipe-image-") as work:
        try:
            build(redis_image(Path(work)) if words[0] == "redis" else toxiproxy_image())
        except (OSError, subprocess.CalledProcessError, ServerError) as error:
            sys.exit(f"The image of {words[0]} can't be built: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
