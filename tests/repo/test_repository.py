"""The repository's own rules, held by tests.

File sizes, the direction of imports, who may print, who may import redis, and what the README lists. Reads the source
as text and syntax trees. Can't see an import that is made from a string.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from midpipe.faultinject.faults import CATALOGUE
from midpipe.reports.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("faultinject", "reference", "scenarios", "reports")
MOST_LINES = 400

# Where a Redis client may be imported: the reference, the flawed queues, the adapters and the tests, and for the corpus
# that Hypothesis keeps in a Redis, which is never the one that a queue is judged on.
REDIS_IS_FOR = (
    "reference/",
    "scenarios/flaws/",
    "scenarios/fuzz/corpus.py",
    "scenarios/known_bugs/subjects/",
    "scenarios/queues/",
    "tests/",
)
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


def test_no_python_file_is_longer_than_400_lines() -> None:
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()
    }
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
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


def rows_of(heading: str) -> str:
    """The README's text under a heading, up to the next one."""
    return (ROOT / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]


def test_the_readme_lists_every_command() -> None:
    listed = re.findall(r"^\| `midpipe ([a-z]+)", rows_of("Commands"), re.MULTILINE)
    assert sorted(listed) == sorted(cli.list_commands(click.Context(cli)))


def test_the_page_of_the_faults_lists_every_fault() -> None:
    rows = re.findall(r"^\| .*", (ROOT / "docs" / "faults.md").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)(?:=\d+)?`", "\n".join(rows))) == set(CATALOGUE)


def test_every_invariant_says_what_it_does_not_see() -> None:
    silent = {
        name_of(path)
        for path in (ROOT / "scenarios" / "invariants").glob("[!_]*.py")
        # It is no invariant: it chooses some of them.
        if path.stem != "selection"
        and not (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
        .rpartition("\n\n")[2]
        .startswith("Blind to: ")
    }
    assert silent == set()
