"""The clock's library in a wheel: compiled if there is a compiler, left out if there is none, and never a stale one."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from midpipe.faultinject.clock.compiling import NAME, compiler

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = f"midpipe/faultinject/clock/{NAME}"
PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")
TAKES_AT_MOST_S = 100.0
needs_a_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler on PATH")


def built(source: Path, to: Path, **environment: str) -> Path:
    """Build the wheel of a source tree, with these variables changed."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "uv",
            "build",
            "--quiet",
            "--wheel",
            "--out-dir",
            str(to),
            str(source),
        ],
        env={**os.environ, **environment},
        check=True,
        timeout=TAKES_AT_MOST_S,
    )
    (wheel,) = to.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as the source distribution has them."""
    folder = tmp_path_factory.mktemp("sources")
    subprocess.run(
        [sys.executable, "-m", "uv", "build", "--quiet", "--sdist", "--out-dir", str(folder)],
        cwd=ROOT,
        check=True,
        timeout=TAKES_AT_MOST_S,
    )
    (archive,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return next(path for path in folder.iterdir() if path.is_dir())


@needs_a_compiler
def test_a_wheel_built_with_a_compiler_has_the_library_and_its_platform(
    unpacked: Path, tmp_path: Path
) -> None:
    wheel = built(unpacked, tmp_path)
    assert wheel.name.endswith(f"-py3-none-{PLATFORM}.whl")
    with zipfile.ZipFile(wheel) as archive:
        library = archive.extract(LIBRARY, tmp_path)
    assert hasattr(ctypes.CDLL(library), "midclock_create")


def test_a_wheel_built_without_a_compiler_is_a_pure_one(unpacked: Path, tmp_path: Path) -> None:
    wheel = built(unpacked, tmp_path, CC="/nonexistent/cc")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert LIBRARY not in names
    assert "midpipe/faultinject/clock/native/midclock.h" in names


def test_a_library_that_lies_in_the_sources_is_not_packed(unpacked: Path, tmp_path: Path) -> None:
    stale = unpacked / LIBRARY
    stale.write_bytes(b"stale")
    try:
        wheel = built(unpacked, tmp_path, MIDPIPE_WHEEL_PLATFORM="any")
    finally:
        stale.unlink()
    with zipfile.ZipFile(wheel) as archive:
        assert LIBRARY not in archive.namelist()


@needs_a_compiler
def test_the_platform_of_the_wheel_can_be_named(unpacked: Path, tmp_path: Path) -> None:
    wheel = built(unpacked, tmp_path, MIDPIPE_WHEEL_PLATFORM="manylinux_2_17_x86_64")
    assert wheel.name.endswith("-py3-none-manylinux_2_17_x86_64.whl")
