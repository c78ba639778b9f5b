"""The repository's own rules, held by tests.

File sizes, arrows, who may print, who may import redis, and commands that are the same wherever
they are written down. Reads the source as text and syntax trees; knows nothing of what the
code does, and can't see an import that is made from a string.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from midpipe.faultinject.faults import CATALOGUE
from midpipe.reports.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("faultinject", "reference", "scenarios", "reports")
MOST_LINES = 400

# Where a Redis client may be imported: the reference, the flawed queues, and the tests.
REDIS_IS_FOR = ("reference/", "scenarios/flaws/", "tests/")
# Where print may be called: the reports, and the file that runs a subject in a process of its own.
PRINT_IS_FOR = ("reports/", "scenarios/subjects/host.py")


def python_files() -> tuple[Path, ...]:
    """Every Python file of the project, in a stable order, caches and environments left out."""
    found = sorted((ROOT / "midpipe").glob("*.py"))
    for folder in (*PACKAGES, "tests"):
        found += sorted((ROOT / folder).rglob("*.py"))
    return tuple(found)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_by(tree: ast.AST) -> Iterator[str]:
    """The top-level names of all absolute imports in a tree, wherever they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def calls_print(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for node in ast.walk(tree)
    )


def readme_commands() -> tuple[str, ...]:
    """The README's one-line commands for a fresh machine, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return tuple(re.findall(r"^\s*(python3 -m venv \.venv && .+)$", text, re.MULTILINE))


def test_no_python_file_is_longer_than_400_lines() -> None:
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()
    }
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_every_module_tells_what_it_is_for() -> None:
    silent = [
        name_of(path)
        for path in python_files()
        if (source := path.read_text(encoding="utf-8")) and not ast.get_docstring(ast.parse(source))
    ]
    assert silent == []


def test_only_reports_print() -> None:
    printing = [
        name_of(path)
        for path in python_files()
        if not name_of(path).startswith((*PRINT_IS_FOR, "tests/"))
        and calls_print(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert printing == []


def test_redis_is_imported_by_queues_and_tests_only() -> None:
    importing = [
        name_of(path)
        for path in python_files()
        if not name_of(path).startswith(REDIS_IS_FOR)
        and "redis" in imported_by(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert importing == []


def test_every_module_that_calls_itself_pure_is_held_to_it() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (pure,) = (contract for contract in contracts if contract["id"] == "pure")
    held = tuple(pure["source_modules"])
    claiming = [
        "midpipe." + name_of(path).removesuffix(".py").replace("/", ".")
        for path in python_files()
        if "Pure." in (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
        and not name_of(path).startswith("tests/")
    ]
    free = [name for name in claiming if not f"{name}.".startswith(tuple(f"{m}." for m in held))]
    assert claiming
    assert free == []


def test_imports_follow_the_contracts() -> None:
    linter = Path(sysconfig.get_path("scripts")) / "lint-imports"
    run = subprocess.run(
        [sys.executable, str(linter), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


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
        if "-m venv" in line
    ]
    gate, tests = readme_commands()
    assert lines == [tests, gate]


@pytest.mark.parametrize("script", ["run", "docker", "packages"])
def test_ci_scripts_can_be_executed(script: str) -> None:
    assert os.access(ROOT / ".ci" / script, os.X_OK)


def ci_with_parts_that_exit(
    folder: Path, statuses: dict[str, int]
) -> subprocess.CompletedProcess[str]:
    """Run .ci/run with stand-ins for its parts, each of which names itself and exits with a status."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    begin, parts, end = re.split(r"^(part \w+\n(?:.*\n)*part \w+\n)", script, flags=re.MULTILINE)
    closing = "= 3 passed in 1.00s ="
    stand_ins = "".join(
        f"{name}() {{ echo 'ran {name}'; echo '{closing if name == 'tests' else ''}'; return {status}; }}\n"
        for name, status in statuses.items()
    )
    (folder / ".ci").mkdir()
    for name, text in (("run", begin + stand_ins + parts + end), ("packages", "#!/bin/sh\n")):
        (folder / ".ci" / name).write_text(text, encoding="utf-8")
        (folder / ".ci" / name).chmod(0o755)
    return subprocess.run(
        [folder / ".ci" / "run"], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ({"tests": 0, "gate": 0, "versions": 0, "containers": 0}, 0),
        ({"tests": 1, "gate": 0, "versions": 0, "containers": 0}, 1),
        ({"tests": 1, "gate": 3, "versions": 0, "containers": 2}, 3),
        ({"tests": 0, "gate": 0, "versions": 0, "containers": 124}, 124),
    ],
)
def test_ci_runs_every_part_and_ends_with_the_worst_status(
    tmp_path: Path, statuses: dict[str, int], status: int
) -> None:
    ran = ci_with_parts_that_exit(tmp_path, statuses)
    assert ran.returncode == status, ran.stderr
    assert re.findall(r"^ran (\w+)$", ran.stdout, re.MULTILINE) == list(statuses)
    assert ran.stdout.splitlines()[-1] == "= 3 passed in 1.00s ="


def test_the_workflow_pins_every_action_by_commit_and_keeps_no_credentials() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    actions = re.findall(r"uses: (\S+)", workflow)
    assert [action for action in actions if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []
    checkouts = sum("/checkout@" in action for action in actions)
    assert workflow.count("persist-credentials: false") == checkouts > 0


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


def rows_of(heading: str) -> str:
    """The README's text under a heading, up to the next one."""
    return (ROOT / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]


def test_the_readme_lists_every_command() -> None:
    listed = re.findall(r"^\| `midpipe ([a-z]+)", rows_of("Commands"), re.MULTILINE)
    assert sorted(listed) == sorted(cli.list_commands(click.Context(cli)))


def test_the_readme_lists_every_fault() -> None:
    assert set(re.findall(r"`([a-z-]+)`", rows_of("What can happen"))) == set(CATALOGUE)
