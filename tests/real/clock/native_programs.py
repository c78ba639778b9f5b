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


def compiled(name: str, folder: Path, *, is_sanitized: bool) -> Program:
    """Compile a program of this folder.

    Args:
        is_sanitized: build the library into the program, and run both under ASan and UBSan; otherwise it is preloaded.
    """
    command = compiler()
    assert command is not None, "there is no C compiler (cc) on PATH"
    program = folder / f"{name}{'-sanitized' if is_sanitized else ''}"
    more = [*SANITIZERS, *map(str, sources())] if is_sanitized else []
    links = [word for word in LINKS if word != "-shared"]
    words = [*command, *FLAGS, "-o", str(program), str(HERE / f"{name}.c"), *more, *links]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    # A preloaded library would come before the sanitizer's.
    return Program(program, {"LD_PRELOAD": ""} if is_sanitized else {})


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
