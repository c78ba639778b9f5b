"""midpipe replay --as-test: a finding as a pytest file that fails until the queue is fixed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.commands import is_one_sentence, ran

CASE = "enqueue-with-request-id: A1!lost-reply"
FLAWED = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"


def run_by_pytest(file: Path) -> tuple[int, str]:
    """Run a test file on its own, without midpipe's plugin."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:midpipe",
            "-p",
            "no:cacheprovider",
            file.name,
        ],
        cwd=file.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("subject", "code", "shown"),
    [
        (FLAWED, 1, "enqueue answered False for job-1, but get_job finds no such job."),
        ("midpipe.reference:Queue", 0, "1 passed"),
    ],
)
def test_a_case_written_as_a_test_fails_until_the_queue_is_fixed(
    tmp_path: Path, subject: str, code: int, shown: str
) -> None:
    file = tmp_path / "test_case.py"
    written, output, errors = ran(
        "replay", CASE, "--subject", subject, "--as-test", file.name, cwd=tmp_path
    )
    assert (written, "Run it with pytest" in output) == (0, True), errors
    result, text = run_by_pytest(file)
    assert (result, shown in text) == (code, True), text


def test_a_subject_that_a_test_can_not_name_is_refused(tmp_path: Path) -> None:
    code, _, errors = ran(
        "replay", CASE, "--beside", FLAWED, "--as-test", "test_case.py", cwd=tmp_path
    )
    assert (code, is_one_sentence(errors)) == (2, True)
    assert "Keep the replay line" in errors
