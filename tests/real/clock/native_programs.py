"""C programs that are compiled for the tests: with the library preloaded, or built into them under the sanitizers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from midpipe.faultinject.clock.compiling import FLAGS, LINKS, compiler, sources

HERE = Path(__file__).with_name("native")
SANITIZERS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    *("-g", "-O1"),
)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled program, and the variables that it needs besides the clock's."""

    path: Path
    environment: Mapping[str, str]


def sanitized_library(folder: Path) -> tuple[Path, ...]:
    """Compile the library under ASan and UBSan; return its objects, which ``compiled`` builds into programs."""
    _compile(*SANITIZERS, "-c", *map(str, sources()), cwd=folder)
    return tuple(folder / f"{source.stem}.o" for source in sources())


def compiled(name: str, folder: Path, library: tuple[Path, ...] = ()) -> Program:
    """Compile a program of this folder.

    Args:
        library: the objects of ``sanitized_library``, which run in the program, itself sanitized; without them the
            library is preloaded.
    """
    program = folder / f"{name}{'-sanitized' if library else ''}"
    more = [*SANITIZERS, *map(str, library)] if library else []
    links = [word for word in LINKS if word != "-shared"]
    _compile("-o", str(program), str(HERE / f"{name}.c"), *more, *links, cwd=folder)
    # A preloaded library would come before the sanitizer's.
    return Program(program, {"LD_PRELOAD": ""} if library else {})


def _compile(*words: str, cwd: Path) -> None:
    command = compiler()
    assert command is not None, "there is no C compiler (cc) on PATH"
    ran = subprocess.run(
        [*command, *FLAGS, *words], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def output_of(program: Program, *words: str) -> str:
    """Run a program that is not on a clock, and return what it prints."""
    ran = subprocess.run(
        [program.path, *words],
        env={**os.environ, **program.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout
