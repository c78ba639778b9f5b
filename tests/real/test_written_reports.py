"""What midpipe writes: no secret, no control character, nothing lost when the disk is full, nothing overwritten."""

from __future__ import annotations

import json
import signal
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.commands import is_one_sentence, ran, server_with_password, started

AS_REVIEWED = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"
LOSES = ("--program", "enqueue-with-request-id", "--fault", "cut-before")
SECRET = "aa@S3CRET/x"
IN_URL = "aa@S3CRET%2Fx"
HOSTILE = '''
import os

from midpipe.scenarios.flaws.as_reviewed import SimpleQueue


class Queue(SimpleQueue):
    """Loses jobs as the reviewed queue does; what it raises has everything that a report must not act on."""

    def enqueue(self, *words, **named):
        try:
            return super().enqueue(*words, **named)
        except Exception as error:
            secrets = f"redis://:{os.environ['DB_PASSWORD']}@h/?password={os.environ['DB_PASSWORD']}"
            raise type(error)("\\x1b]0;owned\\x07 \\x00 \\u202e ``` <script> # H1 " + secrets) from None
'''


def everything_in(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.rglob("*")) if path.is_file())


def swept(cwd: Path, *more: str, limited_to: int | None = None) -> tuple[int, str, str]:
    """Sweep a flawed queue in the one program, and by the one fault, in which it loses a job."""
    arguments = ("sweep", "--subject", AS_REVIEWED, *LOSES, "--jobs", "1", *more)
    return ran(*arguments, cwd=cwd, limited_to=limited_to)


def test_text_of_a_subject_is_written_without_control_characters_and_secrets(
    tmp_path: Path,
) -> None:
    (tmp_path / "hostile.py").write_text(HOSTILE)
    arguments = ("--subject", "hostile.py:Queue", "--env", "DB_PASSWORD=hunter22")
    code, output, errors = ran("sweep", *arguments, *LOSES, "--jobs", "1", cwd=tmp_path)
    written = everything_in(tmp_path / ".midpipe")
    assert code == 1, errors
    assert "owned" in output
    assert "owned" in written
    for text in (output, errors, written):
        assert text.replace("\n", "").isprintable()
        assert "hunter22" not in text


@pytest.fixture
def guarded_server(tmp_path: Path) -> Iterator[int]:
    """A server with a password; yields its port."""
    with server_with_password(SECRET, tmp_path) as port:
        yield port


@pytest.mark.parametrize(
    "arguments", [("sweep", "--program", "enqueue", "--jobs", "1"), ("replay", "enqueue:")]
)
def test_the_password_of_a_named_server_is_written_nowhere(
    tmp_path: Path, guarded_server: int, arguments: tuple[str, ...]
) -> None:
    url = f"redis://:{IN_URL}@127.0.0.1:{guarded_server}/5"
    code, output, errors = ran(*arguments, "--redis", url, cwd=tmp_path)
    (tmp_path / ".midpipe").mkdir(exist_ok=True)
    everything = output + errors + everything_in(tmp_path / ".midpipe")
    assert code == 0, output + errors
    for secret in (SECRET, IN_URL, "S3CRET"):
        assert secret not in everything


def test_an_error_about_a_url_does_not_show_its_password(tmp_path: Path) -> None:
    for url in (
        f"redis://:{IN_URL}@127.0.0.1:1/0",
        f"redis://:{IN_URL}@h:1",
        f"rediss://:{IN_URL}@h",
    ):
        code, output, errors = ran("sweep", "--redis", url, cwd=tmp_path)
        assert (code, is_one_sentence(errors)) == (2, True), errors
        assert "S3CRET" not in output + errors


def test_a_full_disk_loses_no_result(tmp_path: Path) -> None:
    code, output, errors = swept(tmp_path, limited_to=16)
    assert code == 1, errors
    assert output.rstrip().endswith("midpipe: FAIL")
    assert "midpipe replay 'enqueue-with-request-id: " in output
    assert is_one_sentence("\n".join(line for line in errors.splitlines() if "can't" in line))
    assert "can't be written" in errors
    # Nor is the subject blamed for what midpipe itself could not write while the case ran again.
    assert "nondeterministic" not in output
    assert [path.name for path in (tmp_path / ".midpipe" / "sweep").iterdir()] == []


@pytest.fixture(scope="module")
def after_a_gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the flawed queue was swept after a gate had written its results."""
    project = tmp_path_factory.mktemp("w")
    folder = project / ".midpipe"
    folder.mkdir()
    (folder / "verdict.json").write_text("the gate's")
    (folder / "junit.xml").write_text("the gate's")
    swept(project)
    return project


def test_a_report_that_can_not_be_written_leaves_the_one_that_is_there(after_a_gate: Path) -> None:
    folder = after_a_gate / ".midpipe" / "sweep"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    code, _, errors = ran("report", ".midpipe/sweep/verdict.json", cwd=after_a_gate, limited_to=2)
    assert (code, is_one_sentence(errors)) == (2, True), errors
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_another_command_leaves_the_results_of_a_gate_as_they_are(after_a_gate: Path) -> None:
    folder = after_a_gate / ".midpipe"
    assert (folder / "verdict.json").read_text() == "the gate's"
    assert (folder / "junit.xml").read_text() == "the gate's"
    assert json.loads((folder / "sweep" / "verdict.json").read_text())["outcome"] == "fail"


def test_junit_of_an_interrupted_run_has_an_error_that_says_what_was_not_judged(
    tmp_path: Path,
) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    programs = ("--program", "enqueue", "--program", "same-request-twice")
    with started("gate", *programs, cwd=tmp_path, tmp=temporary) as process:
        assert process.stderr is not None
        assert any("midpipe: sweep" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    (error,) = ET.parse(tmp_path / ".midpipe" / "junit.xml").getroot().iter("error")
    assert "Durability was not begun." in (error.text or "").splitlines()
    assert "The run was interrupted." in (error.text or "")


def test_a_run_that_judged_nothing_leaves_no_earlier_result_that_looks_like_its_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('import went wrong')")
    folder = tmp_path / ".midpipe" / "sweep"
    folder.mkdir(parents=True)
    (folder / "junit.xml").write_text("<testsuites/>")
    code, _, errors = ran("sweep", "--subject", "broken.py:Queue", "--jobs", "1", cwd=tmp_path)
    assert (code, is_one_sentence(errors)) == (2, True), errors
    (error,) = ET.parse(folder / "junit.xml").getroot().iter("error")
    assert "import went wrong" in (error.text or "")
