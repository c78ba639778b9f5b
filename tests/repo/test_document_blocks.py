"""Every block of code or commands in the documents names how it is tested, and is.

Before each block stands a comment with its marker:

- ``file: PATH``: the block is written to that file of the page's project;
- ``runs`` or ``runs: exit N``: the commands run in that project, in the order of the page, and exit with 0 or N;
- ``runs, with reference`` first copies the reference queue into the project;
- ``runs with OPTIONS``: as ``runs``, with these options added to each command, so that the test is quick;
- ``prints`` or ``prints: exit N``: the block begins with ``$ COMMAND``, which prints what follows; ports differ;
- ``settings``: TOML that the schema of ``[tool.midpipe]`` accepts, as a file ``pyproject.toml`` must be;
- ``workflow: WHO RUNS IT``: a file for a service, whose commands of midpipe exist with their options;
- ``shown by: TEST``: that test reads the page, and runs or compares the block;
- ``not run: REASON``: it can't be run here. That its commands and options exist is tested by ``test_docs``.

A page's project has the queue of ``examples/list-queue``, and that of another page after ``files of: PAGE``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from midpipe.reports.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
MARKER = re.compile(
    r"\s*<!-- (file|runs|prints|settings|workflow|shown by|not run)(?:,? (with [^:]*))?(?:: (.*))? -->"
)
FILES_OF = re.compile(r"<!-- files of: (.*) -->")
FENCE = re.compile(r"( *)```")
NIGHTLY = ("clock.md", "findings.md", "machines.md", "pytest.md", "services.md")
"""Pages whose commands take longer than the other tests of a pull request may."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page, and its marker; ``kind`` is empty if it has none."""

    line: int
    text: str
    kind: str = ""
    options: str = ""
    value: str = ""


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, and the indented ones outside of lists' text."""
    lines = page.read_text("utf-8").splitlines()
    marker: re.Match[str] | None = None
    number = 0
    while number < len(lines):
        line, begins = lines[number], number
        number += 1
        if found := MARKER.fullmatch(line):
            marker = found
            continue
        if fence := FENCE.match(line):
            end = next(n for n in range(number, len(lines)) if lines[n].strip() == "```")
            text = [each.removeprefix(fence[1]) for each in lines[number:end]]
            number = end + 1
        elif line.startswith("    ") and not lines[begins - 1].strip():
            end = begins
            while end < len(lines) and is_indented_code(lines[end]):
                end += 1
            text = [each.strip() for each in lines[begins:end] if each.strip()]
            number = end
        else:
            if line.strip():
                marker = None
            continue
        kind, options, value = marker.groups() if marker else ("", "", "")
        yield Block(begins + 1, "\n".join(text) + "\n", kind, options or "", value or "")
        marker = None


def is_indented_code(line: str) -> bool:
    """Whether a line continues an indented block: the marker of the next one may be indented too, in a list."""
    return not line.strip() or (line.startswith("    ") and not MARKER.fullmatch(line))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_names_how_it_is_tested(page: Path) -> None:
    if page.name in ("command-line.md", "invariants.md"):
        pytest.skip("made from the code")
    unmarked = [block.line for block in blocks_of(page) if not block.kind]
    assert not unmarked, f"no marker before the blocks at lines {unmarked}"
    for block in blocks_of(page):
        if block.kind == "shown by":
            test = (ROOT / block.value).read_text("utf-8")
            assert page.name in test, f"{block.value} does not read the page"
        if block.kind == "not run":
            assert block.value, f"line {block.line} gives no reason"


def with_kind(*kinds: str) -> list[Path]:
    return [page for page in PAGES if any(block.kind in kinds for block in blocks_of(page))]


def project_of(page: Path, folder: Path) -> None:
    """Write the files of a page's project, and the reference queue if a block asks for it."""
    shutil.copytree(ROOT / "examples/list-queue/shop", folder / "shop", dirs_exist_ok=True)
    shutil.copytree(ROOT / "docs/examples", folder / "docs/examples", dirs_exist_ok=True)
    for other in FILES_OF.findall(page.read_text("utf-8")):
        project_of(ROOT / other, folder)
    for block in blocks_of(page):
        if block.kind == "file":
            file = folder / block.value
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, "utf-8")
        if block.options == "with reference":
            shutil.copytree(ROOT / "reference", folder / "reference")


def run_in(folder: Path, command: str, expected: str) -> str:
    """Run a command; return its output. Fail if it does not exit as expected: with 0, or as ``exit N`` says."""
    programs = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": ".",
        "COLUMNS": "110",
    }
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    code = int(expected.removeprefix("exit ") or 0)
    assert ended.returncode == code, f"{command}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def with_commands() -> list[Any]:
    """Return the pages with commands that run; those that take long are for the night."""
    return [
        pytest.param(page, marks=[pytest.mark.nightly] if page.name in NIGHTLY else [])
        for page in with_kind("runs")
    ]


@pytest.mark.parametrize("page", with_commands(), ids=name_of)
def test_the_commands_of_a_page_run_in_its_order(page: Path, tmp_path: Path) -> None:
    project_of(page, tmp_path)
    for block in blocks_of(page):
        if block.kind == "runs":
            options = block.options.removeprefix("with ").removeprefix("reference")
            for command in block.text.splitlines():
                run_in(tmp_path, f"{command.partition('  #')[0]} {options}", block.value)


@pytest.mark.parametrize("page", with_kind("prints"), ids=name_of)
def test_a_command_prints_what_a_page_shows(page: Path, tmp_path: Path) -> None:
    for block in blocks_of(page):
        if block.kind == "prints":
            first, *shown = plain(block.text)
            printed = plain(run_in(tmp_path, first.removeprefix("$ "), block.value))
            assert [line for line in shown if line not in printed] == []


def plain(text: str) -> list[str]:
    """Return the lines that are not empty, with the numbers of ports masked."""
    return [re.sub(r"\d{4,5}", "PORT", line.rstrip()) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("page", with_kind("settings", "file"), ids=name_of)
def test_the_settings_on_a_page_are_ones_that_midpipe_takes(page: Path) -> None:
    schema = json.loads((ROOT / "reports" / "config.schema.json").read_text("utf-8"))
    for block in blocks_of(page):
        if block.kind == "settings" or block.value == "pyproject.toml":
            jsonschema.validate(tomllib.loads(block.text)["tool"]["midpipe"], schema)


@pytest.mark.parametrize("page", with_kind("workflow"), ids=name_of)
def test_the_commands_in_a_workflow_exist_with_their_options(page: Path) -> None:
    for block in blocks_of(page):
        if block.kind == "workflow":
            calls = re.findall(r"\bmidpipe,? ([a-z]+)\b(.*)", block.text)
            for name, options in calls:
                command = cli.get_command(click.Context(cli), name)
                assert command, name
                known = {option for each in command.params for option in each.opts}
                assert set(re.findall(r"--[a-z-]+", options)) <= known


def test_a_block_without_a_marker_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Text:\n\n    ls\n\n<!-- runs: exit 2 -->\n```sh\nls /no\n```\n")
    assert [(block.line, block.kind, block.value) for block in blocks_of(page)] == [
        (3, "", ""),
        (6, "runs", "exit 2"),
    ]
