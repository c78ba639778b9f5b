"""midpipe as it is installed: one top-level name, which leaves alone what a project calls by the same words.

The wheel, the source distribution and the checkout itself are installed, each into a fresh environment, beside a
project with packages of its own that have the names of all folders at the top of this repository.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from midpipe import __version__
from tests.support.children import running

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("faultinject", "reference", "scenarios", "reports", "tests")
TAKES_AT_MOST_S = 100.0
GATE_TAKES_AT_MOST_S = 900.0

# A project's queue that writes the request before the job: a cut between the two loses the job.
QUEUE = """
import redis


class Queue:
    def __init__(self, redis_url):
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)

    def enqueue(self, job_id, client_request_id=None, **fields):
        if client_request_id and not self.redis.set("request:" + client_request_id, job_id, nx=True):
            return False
        self.redis.hset("job:" + job_id, mapping={"job_id": job_id, "status": "pending"})
        return True

    def get_job(self, job_id, workspace_id=None):
        return self.redis.hgetall("job:" + job_id) or None
"""
TESTS = f"""
import importlib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", {FOLDERS})
def test_the_project_s_own_package_is_imported(name):
    assert Path(importlib.import_module(name).__file__) == PROJECT / name / "__init__.py"


def test_the_plugin_is_there(midpipe_redis):
    assert midpipe_redis.url.startswith("redis://")
"""
# Run in the environment, away from the project: which of these names can be imported, and whether types are declared.
NAMES = f"""
from importlib.resources import files
from importlib.util import find_spec

print(*[name for name in ("midpipe", *{FOLDERS}) if find_spec(name)])
print((files("midpipe") / "py.typed").is_file())
"""
TOP_LEVEL = """
from importlib.metadata import distribution

names = {path.parts[0] for path in distribution("midpipe").files if ".." not in path.parts}
print(*sorted(name for name in names if not name.endswith(".dist-info")))
"""


@dataclass(frozen=True)
class Installed:
    """An environment in which midpipe is installed."""

    kind: str
    programs: Path

    def run(
        self, *words: str, cwd: Path, status: int = 0, within_s: float = TAKES_AT_MOST_S
    ) -> str:
        """Run one of its programs, which must exit with the status; return its output."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "PYTHON", "COV", "MIDPIPE"))
        }
        program, *arguments = words
        with running(
            [str(self.programs / program), *arguments],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            output, _ = process.communicate(timeout=within_s)
        assert process.returncode == status, output
        return output


def uv(*words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "uv", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=TAKES_AT_MOST_S,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What can be installed, by kind. The wheel is built from the source distribution."""
    built = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--out-dir", str(built))
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    return {"wheel": str(wheel), "sdist": str(sdist), "editable": str(ROOT)}


FROM_SDIST = pytest.param(
    "sdist", marks=pytest.mark.nightly(reason="the wheel is built from the same files")
)


@pytest.fixture(scope="module", params=["wheel", FROM_SDIST, "editable"])
def installed(
    request: pytest.FixtureRequest,
    distributions: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Installed:
    folder = tmp_path_factory.mktemp(request.param)
    uv("venv", "--quiet", "--python", sys.executable, str(folder))
    editable = ["--editable"] if request.param == "editable" else []
    where = ["--python", str(folder), "--constraint", str(ROOT / ".ci" / "constraints.txt")]
    uv("pip", "install", "--quiet", *where, "pytest", *editable, distributions[request.param])
    return Installed(request.param, folder / "bin")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a package of each name, its queue in ``scenarios`` and its tests in ``tests``."""
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'"""The project\'s own {name}."""\n')
    (tmp_path / "scenarios" / "queue.py").write_text(QUEUE)
    (tmp_path / "tests" / "test_names.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:valkey\n")
    return tmp_path


def test_exactly_one_name_is_installed_and_its_types_are_declared(
    installed: Installed, tmp_path: Path
) -> None:
    output = installed.run("python", "-c", NAMES, cwd=tmp_path)
    assert output.splitlines() == ["midpipe", "True"]


def test_only_midpipe_s_own_folder_is_written(installed: Installed, tmp_path: Path) -> None:
    if installed.kind == "editable":
        pytest.skip("an editable install writes a file that leads to the checkout")
    assert installed.run("python", "-c", TOP_LEVEL, cwd=tmp_path).split() == ["midpipe"]


@pytest.mark.parametrize("words", [("pytest",), ("python", "-m", "pytest")], ids=" ".join)
def test_a_project_s_tests_run_beside_it(
    installed: Installed, project: Path, words: tuple[str, ...]
) -> None:
    assert "6 passed" in installed.run(*words, "-q", cwd=project)


def test_it_prints_its_version_beside_a_project(installed: Installed, project: Path) -> None:
    output = installed.run("python", "-m", "midpipe", "--version", cwd=project)
    assert output == f"midpipe, version {__version__}\n"


def test_the_gate_judges_the_project_s_own_queue(installed: Installed, project: Path) -> None:
    words = ("gate", "--path", ".", "--subject", "scenarios.queue:Queue", "--fail-fast")
    output = installed.run("midpipe", *words, cwd=project, status=1)
    assert "--subject scenarios.queue:Queue --path ." in output


@pytest.mark.nightly
def test_the_gate_passes_the_reference_beside_a_project(
    installed: Installed, project: Path
) -> None:
    output = installed.run(
        "midpipe", "gate", "--path", ".", cwd=project, within_s=GATE_TAKES_AT_MOST_S
    )
    assert "midpipe: PASS" in output
