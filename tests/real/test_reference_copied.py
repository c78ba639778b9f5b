"""The reference as a folder that a team copies into a package of its own, with and without prometheus-client."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from midpipe.faultinject.servers.server import Server
from midpipe.reference.telemetry import Telemetry, telemetry_asked_for
from tests.support.children import running

REFERENCE = Path(__file__).resolve().parents[2] / "reference"

USES = """
import sys

from team.jobs import Queue
from team.jobs.worker import Worker

queue = Queue()
print(queue.enqueue("job-1", "mail", "send", {"to": "a@b"}, "acme", "u-1"))


def handle(job):
    worker.stop()
    return job["params"]


worker = Worker(queue, handle, "w-1")
print(worker.run(), queue.get_job("job-1", "acme")["result"])
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("midpipe", "reference")))
print("prometheus_client" in sys.modules)
"""
# What comes first is what an environment without the package does at the import.
WITHOUT_PROMETHEUS = "import sys; sys.modules['prometheus_client'] = None\n"


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A directory with a package ``team`` whose ``jobs`` is the copied folder."""
    shutil.copytree(REFERENCE, tmp_path / "team" / "jobs", ignore=shutil.ignore_patterns("*.pyc"))
    (tmp_path / "team" / "__init__.py").touch()
    return tmp_path


def run(server: Server, team: Path, *words: str, **more: str) -> tuple[int, str, str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AI_JOBS_")
    }
    url = f"unix://{server.address.path}"
    with running(
        [sys.executable, *words],
        cwd=team,
        env={**environment, "PYTHONPATH": "", "REDIS_URL": url, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def test_a_copy_under_another_name_works_and_needs_neither_midpipe_nor_prometheus(
    server: Server, driver: Any, team: Path
) -> None:
    code, output, errors = run(server, team, "-c", WITHOUT_PROMETHEUS + USES)
    assert (code, output.splitlines()) == (0, ["True", "1 {'to': 'a@b'}", "[]", "True"]), errors
    assert driver.hget("ai:jobs:job-1", "status") == "completed"


@pytest.mark.usefixtures("driver")
def test_with_metrics_off_prometheus_is_not_imported(server: Server, team: Path) -> None:
    _, output, errors = run(server, team, "-c", USES)
    assert output.splitlines()[-1:] == ["False"], errors


def test_with_metrics_on_a_missing_prometheus_is_a_clear_sentence(
    server: Server, team: Path
) -> None:
    code, _, errors = run(server, team, "-c", WITHOUT_PROMETHEUS + USES, AI_JOBS_METRICS="on")
    assert code == 1
    assert errors.splitlines()[-1] == (
        "ModuleNotFoundError: Metrics need the package prometheus-client: pip install prometheus-client, "
        "or set AI_JOBS_METRICS=off."
    )


@pytest.mark.usefixtures("driver")
def test_the_copy_s_own_backfill_runs(server: Server, team: Path) -> None:
    assert run(server, team, "-m", "team.jobs.backfill", "dry-run") == (0, "no jobs\n", "")


def test_metrics_that_are_off_are_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AI_JOBS_METRICS", raising=False)
    for telemetry in (Telemetry(), telemetry_asked_for()):
        with pytest.raises(ValueError, match="metrics are off"):
            telemetry.serve(0)
