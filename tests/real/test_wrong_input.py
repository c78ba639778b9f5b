"""Wrong input, as a user would type it: exit code 2 and one clear sentence, without a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.commands import is_one_sentence, ran, server_with_password

AS_REVIEWED = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sweep", "--jobs", "1", "--subject", "no.such.module:Queue"), "No module named 'no'"),
        (("sweep", "--jobs", "1", "--subject", "midpipe.reference:Kew"), "'Kew'; it has Queue"),
        (("sweep", "--subject", "midpipe.reference"), "does not name a class"),
        (("fleet", "--beside", "midpipe.reference"), "midpipe: 'midpipe.reference' does not name"),
        (("sweep", "--subject", "q.py:Q", "--queue", "rq"), "Leave one of the two out"),
        (("sweep", "--subject", "missing.py:Queue"), "There is no file 'missing.py'"),
        (("sweep", "--program", "enqeue"), "Did you mean 'enqueue'?"),
        (("sweep", "--env", "ON"), "A variable of the environment is NAME=value"),
        (("sweep", "--jobs", "1", "--python", "/no/python"), "can't be started"),
        (("sweep", "--jobs", "1", "--redis", "embedded:/no/such"), "no server binary"),
        (("sweep", "--redis", "redis://127.0.0.1:1/0"), "No server answers at 127.0.0.1:1"),
        (("sweep", "--redis", "redis://elsewhere/0"), "not on this machine"),
        (
            ("sweep", "--redis", "redis://127.0.0.1:1/0", "--fault", "kill"),
            "kill: midpipe does not do that to a server that it did not start",
        ),
        (("sweep", "--out", "/proc/nowhere"), "Name another directory with --out"),
        (
            ("replay", "enqueue: A1!lost-reply", "--as-test", "/proc/no/test_x.py"),
            "Name another file with --as-test",
        ),
        (("interleave", "--random", "9", "--resume"), "Random orders can't be resumed"),
        (("replay", "A2!lost-reply"), "'program: steps'"),
        (("replay", "enqueue: A1!lost-replay"), "Did you mean 'lost-reply'?"),
        (("replay", "enqeue: A1!lost-reply"), "Did you mean 'enqueue'?"),
        (("replay", "enqueue: B1!lost-reply"), "and the program enqueue has only A"),
        (("replay", "claim-complete:", "--subject", AS_REVIEWED), "has no claim"),
        (("reproduce", "--subject", AS_REVIEWED), "For another one name an issue: CRITICAL-1"),
        (("reproduce", "CRITICAL-2"), "Did you mean 'CRITICAL-1'?"),
        (("report", "nowhere.json"), "Run 'midpipe gate' first"),
    ],
)
def test_bad_input_is_answered_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, _, errors = ran(*arguments, cwd=tmp_path)
    assert (code, words in errors, is_one_sentence(errors)) == (2, True, True), errors


def test_a_temporary_directory_that_is_too_long_for_a_socket_is_reported(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 100)
    long.mkdir()
    code, _, errors = ran("sweep", "--jobs", "1", cwd=long)
    assert (code, "Set TMPDIR" in errors, is_one_sentence(errors)) == (2, True, True), errors


def test_an_unknown_command_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    code, _, errors = ran("reprodcue", cwd=tmp_path)
    assert (code, "Did you mean 'reproduce'?" in errors, "Traceback" in errors) == (2, True, False)


@pytest.mark.parametrize(
    ("source", "words", "patience_s"),
    [
        ("raise RuntimeError('import went wrong')", "import went wrong", 30.0),
        ("import time\ntime.sleep(60)", "not loaded within", 0.7),
        # Long enough for the module to be loaded on a busy machine.
        (
            "class Q:\n def __init__(self, url):\n  import time\n  time.sleep(60)",
            "did not return within",
            3.0,
        ),
        ("class Q:\n def __init__(self, url): pass", "'midpipe init FILE.PY:CLASS' writes", 30.0),
        (
            "class Q:\n def __init__(self, url): pass\n def enqueue(self, job_id): raise OSError",
            "q.py:Q can't enqueue a job",
            30.0,
        ),
        (
            "class Q:\n def __init__(self, url): pass\n def enqueue(self, job_id, tenant): pass",
            "if it needs others, 'midpipe init FILE.PY:CLASS' writes an adapter",
            30.0,
        ),
        ("import no_such_package", "Install what is missing", 30.0),
        ("class Q(", "Check the name and the file", 30.0),
    ],
)
def test_a_subject_that_can_not_be_judged_is_reported_in_one_sentence(
    tmp_path: Path, source: str, words: str, patience_s: float
) -> None:
    (tmp_path / "q.py").write_text(source)
    options = ("--patience", str(patience_s), "--jobs", "1")
    code, _, errors = ran("gate", "--subject", "q.py:Q", *options, cwd=tmp_path)
    assert (code, words in errors, is_one_sentence(errors)) == (2, True, True), errors


@pytest.fixture
def foreign_server(tmp_path: Path) -> Iterator[int]:
    """A server with a password; yields its port."""
    with server_with_password("s3cret", tmp_path) as port:
        yield port


def test_a_named_server_that_wants_a_password_is_reported(
    tmp_path: Path, foreign_server: int
) -> None:
    code, _, errors = ran("sweep", "--redis", f"redis://127.0.0.1:{foreign_server}/5", cwd=tmp_path)
    assert (code, "redis://user:password@" in errors, is_one_sentence(errors)) == (2, True, True)


def test_a_database_that_the_server_lacks_is_not_answered_by_asking_for_a_password(
    tmp_path: Path, foreign_server: int
) -> None:
    url = f"redis://:s3cret@127.0.0.1:{foreign_server}/99"
    code, _, errors = ran("sweep", "--redis", url, cwd=tmp_path)
    assert (code, "out of range" in errors, "Check the URL" in errors) == (2, True, True), errors
    assert ("Give user" in errors, "s3cret" in errors) == (False, False), errors
