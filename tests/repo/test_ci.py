"""What CI and tox run: the README's commands, on known versions, every part of it, and all of the tests."""

from __future__ import annotations

import configparser
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.children import start

ROOT = Path(__file__).resolve().parents[2]


def readme_commands() -> tuple[str, ...]:
    """The README's one-line commands for a fresh machine, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return tuple(re.findall(r"^\s*(python3 -m venv \.venv && .+)$", text, re.MULTILINE))


def test_the_readme_has_one_command_for_the_gate_and_one_for_the_tests() -> None:
    commands = readme_commands()
    assert [command.split(" && ")[-1] for command in commands] == [
        ".venv/bin/midpipe gate",
        ".venv/bin/tox",
    ]


def test_ci_runs_the_readme_test_command_and_then_the_gate() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    lines = [
        line.strip().replace('"$venv"', ".venv")
        for line in script.splitlines()
        if "-m venv" in line and "exec" not in line
    ]
    gate, tests = readme_commands()
    assert lines == [tests, gate]


@pytest.mark.parametrize("script", ["run", "docker", "packages"])
def test_ci_scripts_can_be_executed(script: str) -> None:
    assert os.access(ROOT / ".ci" / script, os.X_OK)


CLOSING = "= 3 passed in 1.00s ="
PARTS = {
    "tests": f"echo '{CLOSING}'",
    "gate": "true",
    "versions": "true",
    "loaded": "true",
    "containers": "true",
}


def ci_with_parts(folder: Path, **parts: str) -> subprocess.Popen[str]:
    """Start .ci/run with stand-ins for its parts, each of which names itself and then runs a command."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    begin, order, end = re.split(
        r"^(begin \w+\n(?:.*\n)*collect \w+\n)", script, flags=re.MULTILINE
    )
    stand_ins = "".join(
        f"{name}() {{ echo 'ran {name}'; {command}; }}\n"
        for name, command in {**PARTS, **parts}.items()
    )
    (folder / ".ci").mkdir()
    for name, text in (("run", begin + stand_ins + order + end), ("packages", "#!/bin/sh\n")):
        (folder / ".ci" / name).write_text(text, encoding="utf-8")
        (folder / ".ci" / name).chmod(0o755)
    return start(
        [str(folder / ".ci" / "run")],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ({}, 0),
        ({"tests": 1}, 1),
        ({"tests": 1, "gate": 3, "containers": 2}, 3),
        ({"containers": 124}, 124),
    ],
)
def test_ci_runs_every_part_and_ends_with_the_worst_status(
    tmp_path: Path, statuses: dict[str, int], status: int
) -> None:
    parts = {name: f"{PARTS[name]}; return {code}" for name, code in statuses.items()}
    ci = ci_with_parts(tmp_path, **parts)
    output, _ = ci.communicate(timeout=60)
    assert ci.returncode == status, output
    assert re.findall(r"^ran (\w+)$", output, re.MULTILINE) == list(PARTS)
    reported = re.findall(r"^(\w+): exit status (\d+) after \d+ s$", output, re.MULTILINE)
    assert reported == [(name, str(statuses.get(name, 0))) for name in PARTS]
    assert output.splitlines()[-1] == CLOSING


def test_ci_runs_the_tests_that_need_containers_beside_the_others_and_prints_them_last(
    tmp_path: Path,
) -> None:
    until = "until [ -e {} ]; do sleep 0.02; done"
    ci = ci_with_parts(
        tmp_path,
        tests=f"{until.format('begun')}; {PARTS['tests']}; touch tested",
        containers=f"touch begun; {until.format('tested')}; echo 'containers: 1 passed'",
    )
    output, _ = ci.communicate(timeout=60)
    assert ci.returncode == 0, output
    assert re.findall(r"^ran (\w+)$", output, re.MULTILINE) == list(PARTS)
    assert output.splitlines()[-2:] == ["containers: 1 passed", CLOSING]


def test_an_interrupt_reaches_what_runs_beside_the_other_parts(tmp_path: Path) -> None:
    """A shell makes a command in the background ignore it, together with all that the command starts."""
    handler = f"{sys.executable} -c 'import signal; print(signal.getsignal(signal.SIGINT))'"
    output, _ = ci_with_parts(tmp_path, containers=handler).communicate(timeout=60)
    assert "default_int_handler" in output


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ci_that_is_ended_ends_what_runs_beside_its_parts(
    tmp_path: Path, how: signal.Signals
) -> None:
    ci = ci_with_parts(
        tmp_path, containers="trap 'echo cleaned >cleaned; exit 1' TERM; sleep 1000 & wait"
    )
    assert ci.stdout is not None
    assert any(line == "ran loaded\n" for line in ci.stdout)
    ci.send_signal(how)
    output, _ = ci.communicate(timeout=60)
    assert (ci.returncode, (tmp_path / "cleaned").exists()) == (130, True), output
    assert [path.name for path in tmp_path.glob("tmp.*")] == []


def test_the_workflow_pins_every_action_by_commit_and_keeps_no_credentials() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    actions = re.findall(r"uses: (\S+)", workflow)
    assert [action for action in actions if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []
    checkouts = sum("/checkout@" in action for action in actions)
    assert workflow.count("persist-credentials: false") == checkouts > 0


@pytest.mark.parametrize("name", ["ci.yml", "nightly.yml"])
def test_every_job_of_a_workflow_has_a_machine_and_sets_up_python_once(name: str) -> None:
    """A merge that joins two jobs leaves a file that the service refuses as a whole."""
    workflow = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    jobs = re.split(r"^  ([\w-]+):\n", workflow.partition("\njobs:\n")[2], flags=re.MULTILINE)[1:]
    assert jobs
    for job, body in zip(jobs[::2], jobs[1::2], strict=True):
        keys = re.findall(r"^ *(runs-on|steps|python-version):", body, re.MULTILINE)
        assert sorted(keys) == ["python-version", "runs-on", "steps"], job


def test_the_constraints_pin_every_direct_dependency_within_its_range() -> None:
    pinned = {
        canonicalize_name(requirement.name): requirement.specifier
        for line in (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.strip().startswith("#")
        for requirement in (Requirement(line),)
    }
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    direct = [
        Requirement(text)
        for group in (
            table["project"]["dependencies"],
            *table["project"]["optional-dependencies"].values(),
            *table["dependency-groups"].values(),
        )
        for text in group
    ]
    out_of_range = [
        str(wanted)
        for wanted in direct
        if wanted.name != "midpipe"
        and not any(
            wanted.specifier.contains(version.version)
            for version in pinned.get(canonicalize_name(wanted.name), ())
        )
    ]
    assert out_of_range == []


def test_the_workflow_runs_the_tests_that_need_containers_as_ci_does() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "&& .ci/docker .venv/bin/tox\n" in workflow


def test_tox_runs_every_test_that_needs_containers_and_no_other_environment_does() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    marked = {
        section: re.findall(r'-m "?((?:not )?docker)\b', tox[section].get("commands", ""))
        for section in ("testenv:test", "testenv:docker")
    }
    assert marked == {"testenv:test": ["not docker"], "testenv:docker": ["docker"]}


@pytest.mark.parametrize("command", range(2), ids=["gate", "tests"])
def test_the_workflow_runs_the_readme_commands(command: int) -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert f"- run: {readme_commands()[command]}\n" in workflow


def test_tox_lints_checks_types_and_tests_by_default() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    assert tox["tox"]["env_list"] == "lint, types, test"


def test_each_tox_environment_is_configured_in_one_section() -> None:
    """Of two sections for one environment tox reads the first only, and runs nothing, and says OK."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    environments = [name for name in tox.sections() if name.startswith("testenv:")]
    assert [name for name in environments if "{" in name or "," in name] == []
    assert [name for name in environments if not tox[name].get("commands", "").strip()] == []


def test_every_extra_that_tox_installs_exists() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    asked = {
        extra.strip()
        for section in tox.sections()
        for extra in tox[section].get("extras", "").split(",")
        if extra.strip()
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert asked - set(project["optional-dependencies"]) == set()
