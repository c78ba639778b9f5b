"""midpipe in a user's pytest: the fixtures, the suites, and the documented example, run as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from midpipe.scenarios.suites.plugin import pytest_addoption

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def ran(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a directory of its own, as a user of midpipe would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    plugins = ["-p", "no:valkey", "-p", "no:cacheprovider"]
    if not is_installed():
        plugins += ["-p", "midpipe.scenarios.suites.plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *words],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(found.name == "midpipe" for found in entry_points(group="pytest11"))


def written(directory: Path, *lines: str) -> Path:
    (directory / "test_it.py").write_text("\n".join(lines) + "\n")
    return directory


def test_the_documented_example_passes_as_it_is_written(tmp_path: Path) -> None:
    (example,) = EXAMPLE.findall((ROOT / "docs" / "pytest.md").read_text())
    run = ran(written(tmp_path, example))
    assert "2 passed" in run.stdout, run.stdout + run.stderr


PLACED = """
import redis


def test_nothing(midpipe_proxy):
    midpipe_proxy.place("lost-reply", command="EXEC", nth=2)


def test_misspelt(midpipe_proxy):
    midpipe_proxy.place("lost-repl")


def test_second(midpipe_proxy):
    placed = midpipe_proxy.place("cut-before", command="INCR*", nth=2)
    client = redis.Redis.from_url(midpipe_proxy.url)
    assert client.incr("n") == 1
    try:
        client.incr("n")
    except redis.ConnectionError:
        pass
    assert (placed.fired, client.get("n")) == (1, b"1")
    client.close()


def test_empty(midpipe_redis):
    client = redis.Redis.from_url(midpipe_redis.url)
    assert client.incr("n") == 1
    client.close()


def test_empty_again(midpipe_redis):
    test_empty(midpipe_redis)
"""


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of tests that use the fixtures."""
    return ran(written(tmp_path_factory.mktemp("placed"), PLACED), "-rA").stdout


def test_a_fault_that_was_placed_and_did_not_happen_fails_the_test(placed: str) -> None:
    assert "ERROR test_it.py::test_nothing" in placed
    assert "placed, and did not happen: lost-reply at match 2 of EXEC" in placed


def test_a_fault_that_a_proxy_can_t_cause_is_refused_with_the_nearest_name(placed: str) -> None:
    assert "FAILED test_it.py::test_misspelt" in placed
    assert "A proxy can't cause 'lost-repl'. Did you mean" in placed


def test_a_fault_at_the_second_match_happens_there(placed: str) -> None:
    assert "PASSED test_it.py::test_second" in placed


def test_each_test_begins_with_an_empty_server(placed: str) -> None:
    assert "PASSED test_it.py::test_empty\n" in placed
    assert "PASSED test_it.py::test_empty_again\n" in placed


def test_the_suites_fail_for_a_flawed_queue_and_skip_what_it_lacks_with_the_reason(
    tmp_path: Path,
) -> None:
    subject = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"
    words = ("--pyargs", "midpipe.scenarios.suites", "--midpipe-subject", subject, "-rs")
    loses = "test_one_fault_anywhere_costs_no_job[enqueue-with-request-id]"
    claims = "test_no_order_of_the_clients_costs_a_job[claim-vs-claim]"
    run = ran(tmp_path, *words, "-k", f"{loses} or {claims}")
    assert "1 failed, 1 skipped" in run.stdout, run.stdout + run.stderr
    assert "not applicable: the subject has no claim" in run.stdout


def test_the_suites_run_on_several_cores(tmp_path: Path) -> None:
    words = ("--pyargs", "midpipe.scenarios.suites", "--midpipe-subject", "midpipe.reference:Queue")
    run = ran(tmp_path, *words, "-n", "2", "-p", "xdist", "-k", "costs_no_job[enqueue]")
    assert "1 passed" in run.stdout, run.stdout + run.stderr


def test_the_plugin_adds_no_option_without_its_own_prefix() -> None:
    parser = pytest.Parser(_ispytest=True)
    pytest_addoption(parser)
    added = [name for option in parser.getgroup("midpipe").options for name in option.names()]
    assert len(added) == 6
    assert [name for name in added if not name.startswith("--midpipe-")] == []


def test_the_summary_notes_why_the_clock_is_not_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = "def test_it(midpipe_worker): pass"
    # Its path is as short as that of the server's socket has to be.
    with TemporaryDirectory(prefix="a folder") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        assert "machine's clock" in ran(written(tmp_path, test)).stdout
        asked = ran(written(tmp_path, test), "--midpipe-clock", "wall")
    assert "machine's clock" not in asked.stdout
    assert "1 passed" in asked.stdout


def test_a_violation_is_reported_with_its_replay_line(tmp_path: Path) -> None:
    subject = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"
    one = "test_no_order_of_the_clients_costs_a_job[same-request-twice]"
    run = ran(
        tmp_path, "--pyargs", "midpipe.scenarios.suites", "--midpipe-subject", subject, "-k", one
    )
    assert f"midpipe replay 'same-request-twice: A1 B1' --subject {subject}" in run.stdout


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    run = ran(
        written(tmp_path, "def test_it(midpipe_redis): pass"),
        "--midpipe-redis",
        "redis://127.0.0.1:1/0",
    )
    assert "No server answers at 127.0.0.1:1" in run.stdout + run.stderr
