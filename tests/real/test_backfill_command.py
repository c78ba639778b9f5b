"""``python -m midpipe.reference.backfill`` as a person uses it: started, answered, interrupted, given wrong options."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midpipe.faultinject.servers.server import Server
from tests.real.queues import LEGACY
from tests.support.children import running

ROOT = Path(__file__).resolve().parents[2]
WORDS = (sys.executable, "-m", "midpipe.reference.backfill")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def environment(server: Server) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "REDIS_URL": f"unix://{server.address.path}"}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Run the command to its end; the result is exit code, output and errors."""

    def run_to_end(*words: str, **more: str) -> tuple[int, str, str]:
        with running(
            [*WORDS, *words],
            env={**environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    return run_to_end


def test_each_step_writes_its_counts_and_nothing_else(driver: Any, run: Run) -> None:
    driver.hset("ai:jobs:job-0", mapping=LEGACY)
    assert run("dry-run") == (0, "missing 1\n", "")
    assert run("verify") == (1, "missing 1\n", "")
    assert run("copy") == (0, "copied 1\n", "")
    assert run("verify") == (0, "same 1\n", "")
    assert run("remove") == (0, "removed 1\n", "")
    assert driver.keys("ai:jobs:*") == []


def test_jobs_that_are_not_copied_yet_are_not_removed(driver: Any, run: Run) -> None:
    driver.hset("ai:jobs:job-0", mapping=LEGACY)
    code, output, errors = run("remove")
    assert (code, output) == (1, "")
    assert errors == (
        "not removed: 1 jobs are missing in the new schema and 0 differ: backfill first\n"
    )
    assert driver.exists("ai:jobs:job-0")


@pytest.mark.parametrize("rate", ["-5", "0", "nan", "fast"])
def test_a_rate_that_is_not_more_than_zero_is_one_sentence(run: Run, rate: str) -> None:
    code, _, errors = run("copy", f"--rate={rate}")
    assert code == 2
    assert errors.splitlines()[-1].endswith(
        f"error: argument --rate: must be more than 0 jobs per second; got {rate}"
    )


def test_a_server_that_is_not_there_is_one_sentence(run: Run) -> None:
    code, output, errors = run("copy", REDIS_URL="redis://127.0.0.1:1/0")
    assert (code, output, len(errors.splitlines())) == (2, "", 1)
    assert errors.startswith("the server can't be used: ")
    assert "REDIS_URL names it" in errors


def test_a_url_that_can_not_be_read_is_one_sentence(run: Run) -> None:
    code, output, errors = run("copy", REDIS_URL="http://127.0.0.1:1/0")
    assert (code, output, len(errors.splitlines())) == (2, "", 1)
    assert errors.startswith("nothing was done: ")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_sentence_and_the_next_run_copies_the_rest(
    driver: Any, run: Run, environment: dict[str, str], how: signal.Signals
) -> None:
    for number in range(500):
        driver.hset(f"ai:jobs:job-{number}", mapping={**LEGACY, "job_id": f"job-{number}"})
    with running([*WORDS, "copy", "--rate", "20"], env=environment, stderr=subprocess.PIPE) as slow:
        while not driver.keys("ai:job:*"):
            assert slow.poll() is None
        slow.send_signal(how)
        _, errors = slow.communicate(timeout=60)
    assert slow.returncode == 130
    assert errors == "interrupted; copy continues here the next time, the other steps start again\n"
    assert run("copy")[0] == 0
    assert run("verify") == (0, "same 500\n", "")


def test_a_terminal_shows_how_far_it_is(
    driver: Any, environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    driver.hset("ai:jobs:job-0", mapping=LEGACY)
    ours, theirs = pty.openpty()
    try:
        with running([*WORDS, "copy"], env=environment, stderr=theirs) as process:
            assert process.wait(timeout=60) == 0
            shown = os.read(ours, 4096).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert shown == f"\r[{'#' * 30}] 100%  copied 1\r\n"
    assert capfd.readouterr().out == "copied 1\n"
