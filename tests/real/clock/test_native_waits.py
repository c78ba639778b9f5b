"""Each function of the library does as the C library's: preloaded, and built in under ASan and UBSan."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from midpipe.faultinject.clock.stepped import SteppedClock
from tests.real.clock.children import WAIT_S, Child, check_wait
from tests.real.clock.native_programs import HERE, Program, compiled, output_of

PROGRAMS = ("waits", "socket_waits")
NAMES = [
    (program, name)
    for program in PROGRAMS
    for name in re.findall(
        r"\bWAIT\((\w+)\)", (HERE / f"{program}.c").read_text().partition("waits[] = {")[2]
    )
]
IN_TWO_HALVES = ("setitimer", "periodic_timerfd")


@pytest.fixture(scope="module", params=["preloaded", "sanitized"])
def programs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Program]:
    folder = tmp_path_factory.mktemp("native")
    built_in = request.getfixturevalue("sanitized") if request.param == "sanitized" else ()
    return {name: compiled(name, folder, built_in) for name in PROGRAMS}


@pytest.mark.parametrize(("program", "name"), NAMES)
def test_a_timed_function_ends_at_its_deadline(
    program: str,
    name: str,
    programs: Mapping[str, Program],
    clock: SteppedClock,
    start: Callable[..., Child],
) -> None:
    waits = programs[program]
    child = start(str(waits.path), name, str(WAIT_S), environment=waits.environment)
    check_wait(clock, child, WAIT_S / 2 if name in IN_TWO_HALVES else WAIT_S)
    assert child.wait() == 0


def test_the_controllers_functions_move_hold_and_skew_a_program(
    tmp_path: Path, sanitized: tuple[Path, ...]
) -> None:
    output_of(compiled("controller", tmp_path, sanitized), str(tmp_path / "page"))


def test_the_sanitized_programs_call_every_function_of_the_library(library: Path) -> None:
    symbols = ["nm", "--dynamic", "--defined-only", "--format=posix", str(library)]
    listed = subprocess.run(symbols, capture_output=True, text=True, check=True).stdout
    functions = {name for name, kind, *_ in map(str.split, listed.splitlines()) if kind == "T"}
    assert "clock_gettime" in functions
    programs = "".join(path.read_text() for path in HERE.glob("*.c"))
    assert functions - set(re.findall(r"(\w+)\(", programs)) == set()
