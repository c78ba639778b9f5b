"""What midpipe has started ends with it, and its directory goes, however soon it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from midpipe.faultinject.reaper import RunDirectory
from tests.real.waiting import is_running, wait_until

IS_KILLED_AT_ONCE = """
import os, signal, subprocess
from midpipe.faultinject.reaper import RunDirectory

run = RunDirectory()
null = subprocess.DEVNULL
print(run.path, run.start(["sleep", "600"], stdout=null, stderr=null).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

RUNS_UNTIL_KILLED = """
import time
from midpipe.faultinject.reaper import RunDirectory

run = RunDirectory()
print(run.path, flush=True)
time.sleep(600)
"""


def test_a_process_is_registered_before_it_runs_its_command() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IS_KILLED_AT_ONCE], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    path, pid = done.stdout.split()
    wait_until(lambda: not is_running(int(pid)) and not Path(path).exists())


def test_a_started_process_has_its_arguments_its_environment_and_no_input(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with RunDirectory() as run, out.open("wb") as file:
        process = run.start(
            ["/bin/sh", "-c", 'cat; echo "$0" "$WORD"', "a b"],
            stdout=file,
            stderr=subprocess.DEVNULL,
            environment={**os.environ, "WORD": "$x"},
        )
        assert process.wait(60) == 0
    assert out.read_text() == "a b $x\n"


def test_the_directory_of_a_run_within_a_run_goes_with_the_outer_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with RunDirectory() as outer, out.open("wb") as file:
        process = outer.start(
            [sys.executable, "-c", RUNS_UNTIL_KILLED], stdout=file, stderr=subprocess.DEVNULL
        )
        wait_until(lambda: out.read_text().endswith("\n"))
        inner = Path(out.read_text().strip())
        assert inner.is_dir()
    assert process.wait(60) == -signal.SIGKILL
    wait_until(lambda: not inner.exists())


def test_a_directory_that_was_there_before_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("secrets.token_hex", lambda _: "taken")
    (tmp_path / "midpipe-taken").mkdir()
    with pytest.raises(FileExistsError):
        RunDirectory()
    assert (tmp_path / "midpipe-taken").is_dir()
