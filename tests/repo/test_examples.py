"""The examples: their workflows run what the documents say, and their commands exist and do it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.real.commands import ran

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "list-queue"


def commands_in(file: Path) -> list[str]:
    """Return the calls of midpipe in a workflow."""
    return re.findall(r"(?:run:|-) (midpipe .+)$", file.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("file", [".github/workflows/midpipe.yml", ".gitlab-ci.yml"])
def test_a_workflow_runs_the_gate_and_uploads_files_that_it_writes(file: str) -> None:
    from midpipe.reports.sinks.writing import SINKS

    text = (EXAMPLE / file).read_text("utf-8")
    assert commands_in(EXAMPLE / file) == ["midpipe gate"]
    named = set(re.findall(r"\.midpipe/([\w.-]+)", text))
    assert named
    assert named <= {name for name, _ in SINKS}


def test_the_example_passes(tmp_path: Path) -> None:
    """One program is enough here; the whole gate takes a minute."""
    project = shutil.copytree(EXAMPLE, tmp_path / "p")
    sweep = shlex.split("sweep --program enqueue-once --fault lost-reply --jobs 1")
    code, output, errors = ran(*sweep, cwd=project)
    assert code == 0, output + errors
    assert "shop/queue.py:ListQueue" in output
    assert "declared delivery at-most-once" in output


def test_the_example_fails_if_it_promises_at_least_once(tmp_path: Path) -> None:
    project = shutil.copytree(EXAMPLE, tmp_path / "p")
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text("utf-8").replace("at-most-once", "at-least-once"))
    sweep = shlex.split("sweep --program dequeue --fault lost-reply --jobs 1")
    code, output, errors = ran(*sweep, cwd=project)
    assert code == 1, output + errors
    assert "A lost reply of BRPOP in dequeue (queue.py:26) loses a job" in output


def test_the_action_gives_the_gate_only_options_that_it_has() -> None:
    from midpipe.reports.cli.gate import gate

    text = (ROOT / "action.yml").read_text("utf-8")
    (call,) = re.findall(r"midpipe gate .+", text)
    options = set(re.findall(r"--[a-z-]+", call))
    assert options <= {name for parameter in gate.params for name in parameter.opts}
