"""A clock is stepped only where that can be trusted; otherwise it is the wall clock, with the reason."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from midpipe.faultinject.clock import compiling, opening
from midpipe.faultinject.clock.opening import open_clock
from midpipe.faultinject.clock.preload import libraries
from midpipe.faultinject.clock.self_test import reason_for_distrust
from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.errors import InternalError, NotApplicableError
from midpipe.faultinject.servers.embedded import binary_from_the_wheel


def without(function: str, file: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a library that leaves a function of the C library alone."""
    native = folder / "native"
    shutil.copytree(compiling.NATIVE, native)
    source = native / file
    definition = re.compile(rf"^(\w[\w *]*?\b){function}\(", re.MULTILINE)
    text, count = definition.subn(rf"\1unused_{function}(", source.read_text())
    assert count == 1
    source.write_text(text)
    monkeypatch.setattr(compiling, "NATIVE", native)
    compiled = folder / "library.so"
    compiling.compile_library(compiled)
    return compiled


def test_a_clock_that_passes_its_self_test_is_stepped(library: Path, tmp_path: Path) -> None:
    clock = open_clock(tmp_path, binary_from_the_wheel(), cache=library.parent)
    assert (clock.is_stepped, clock.reason) == (True, "")
    clock.close()
    clock.close()
    assert list(tmp_path.iterdir()) == []


def test_a_self_test_that_was_passed_is_run_again_only_for_another_server_or_after_a_restart(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("first")
    tested: list[str] = []

    def passed(_library: Path, _folder: Path, server: str) -> str:
        tested.append(server)
        return ""

    monkeypatch.setattr(opening, "BOOT", boot)
    monkeypatch.setattr(opening, "reason_for_distrust", passed)
    monkeypatch.setattr(opening, "libraries", lambda _: iter((library,)))

    def open_with(server: str) -> None:
        open_clock(tmp_path, server, cache=tmp_path / "cache").close()

    one, other = binary_from_the_wheel(), sys.executable
    open_with(one)
    open_with(one)
    open_with(other)
    assert tested == [one, other]
    boot.write_text("second")
    open_with(one)
    assert tested == [one, other, one]


def test_a_self_test_that_was_not_passed_is_run_again(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(("a sleep does not wait on the stepped clock", ""))
    monkeypatch.setattr(opening, "reason_for_distrust", lambda *_: next(answers))
    monkeypatch.setattr(opening, "libraries", lambda _: iter((library,)))
    for is_stepped in (False, True):
        with closing(open_clock(tmp_path, cache=tmp_path / "cache")) as clock:
            assert clock.is_stepped is is_stepped


@pytest.mark.parametrize(
    ("function", "file", "reason"),
    [
        ("clock_nanosleep", "wait.c", "a sleep does not wait on the stepped clock"),
        ("sem_clockwait", "locks.c", "a semaphore does not wait on the stepped clock"),
        ("pthread_cond_timedwait", "locks.c", "a condition does not wait on the stepped clock"),
        ("fopen", "read.c", "the server's clock was off by"),
    ],
)
def test_a_library_that_misses_something_is_not_trusted(
    function: str, file: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if function == "fopen" and "constant_tsc" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor's counter is not what a server reads the time from")
    monkeypatch.setattr("midpipe.faultinject.clock.self_test.PATIENCE_S", 1.0)
    incomplete = without(function, file, tmp_path, monkeypatch)
    assert reason in reason_for_distrust(incomplete, tmp_path, binary_from_the_wheel())


def test_without_a_compiler_the_clock_is_the_walls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    clock = open_clock(tmp_path, cache=tmp_path / "cache")
    assert not clock.is_stepped
    assert (
        clock.reason == "the clock's library can't be compiled: there is no C compiler (cc) on PATH"
    )


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'stdio.h: no such file' >&2\nexit 1\n")
    compiler.chmod(stat.S_IRWXU)
    monkeypatch.setenv("CC", str(compiler))
    clock = open_clock(tmp_path, cache=tmp_path / "cache")
    assert clock.reason.endswith(f"{compiler} failed: stdio.h: no such file")


def test_a_compiled_library_is_kept_and_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    (first,) = libraries(cache)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert list(libraries(cache)) == [first]
    assert [path.name for path in cache.iterdir()] == [Path(str(first)).name]


def test_an_installed_library_is_tried_first(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "libmidclock.so"
    installed.write_bytes(b"not a library")
    monkeypatch.setattr("midpipe.faultinject.clock.preload.INSTALLED", installed)
    assert next(libraries(library.parent)) == installed
    assert "can't be loaded" in reason_for_distrust(installed, tmp_path, None)
    clock = open_clock(tmp_path, cache=library.parent)
    assert clock.is_stepped
    clock.close()


def test_another_system_has_the_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert open_clock(tmp_path).reason.startswith(
        "the clock's library is for Linux with glibc, not darwin"
    )


def test_a_path_that_cannot_be_preloaded_is_refused(library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    with pytest.raises(NotApplicableError, match="a space or a colon"):
        SteppedClock(library, folder)


def test_other_preloaded_libraries_stay(
    clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/one.so:/two.so")
    assert clock.environment()["LD_PRELOAD"].split(":")[1:] == ["/one.so", "/two.so"]


def test_a_closed_clock_is_not_used(library: Path, tmp_path: Path) -> None:
    clock = SteppedClock(library, tmp_path)
    clock.close()
    with pytest.raises(InternalError, match="after it was closed"):
        clock.now_s()


def test_a_process_whose_page_is_gone_runs_on_the_machines_clock(
    library: Path, tmp_path: Path
) -> None:
    clock = SteppedClock(library, tmp_path)
    clock.advance(1000)
    environment = {**os.environ, **clock.environment()}
    clock.close()
    command = [sys.executable, "-c", "import time; print(time.time())"]
    ran = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert float(ran.stdout) == pytest.approx(time.time(), abs=60)
