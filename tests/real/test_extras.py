"""Without an extra, the commands that need it name it before they start anything; all else works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HIDDEN = ("h11", "toxiproxy", "hdrh", "testcontainers", "docker")
HIDE = """
import sys


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Hidden())
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python, and of all Pythons that it starts, which can't import the modules of any extra."""
    folder = tmp_path / "hidden"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDE.format(names=HIDDEN))
    return {**os.environ, "PYTHONPATH": str(folder), "PYTEST_ADDOPTS": ""}


def run(environment: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("module", HIDDEN)
def test_the_environment_hides_the_modules(
    environment: dict[str, str], tmp_path: Path, module: str
) -> None:
    ended = run(environment, tmp_path, module)
    assert "No module named" in ended.stderr


@pytest.mark.parametrize(
    ("command", "extra"),
    [("proxy", "proxy"), ("network", "proxy"), ("soak", "bench"), ("bench", "bench")],
)
def test_a_command_names_the_extra_that_it_needs(
    environment: dict[str, str], tmp_path: Path, command: str, extra: str
) -> None:
    ended = run(environment, tmp_path, "midpipe", command)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"midpipe: midpipe {command} needs the extra '{extra}'")
    assert ended.stderr.endswith(f"pip install 'midpipe[{extra}]'.\n")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "hidden"]


@pytest.mark.parametrize("command", ["proxy", "network", "soak", "bench"])
def test_the_help_of_a_command_needs_no_extra(
    environment: dict[str, str], tmp_path: Path, command: str
) -> None:
    assert run(environment, tmp_path, "midpipe", command, "--help").returncode == 0


def test_a_gate_needs_no_extra(environment: dict[str, str], tmp_path: Path) -> None:
    flawed = ("--subject", "midpipe.scenarios.flaws.as_reviewed:SimpleQueue")
    ended = run(environment, tmp_path, "midpipe", "gate", *flawed, "--fail-fast", "--jobs", "1")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "midpipe replay" in ended.stdout


def test_the_pytest_fixtures_need_no_extra(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import redis\n"
        "def test_it(midpipe_proxy):\n"
        "    lost = midpipe_proxy.place('cut-before', command='INCR*')\n"
        "    client = redis.Redis.from_url(midpipe_proxy.url)\n"
        "    try: client.incr('n')\n"
        "    except redis.ConnectionError: pass\n"
        "    assert lost.fired == 1\n"
        "    client.close()\n"
    )
    ended = run(environment, tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:valkey")
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
