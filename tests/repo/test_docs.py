"""The documents: what they name exists, the command line is the code's, and each page is in the site."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import click
import pytest

from midpipe.faultinject.decide.schedule import parse_replay_string, replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.reports.cli.main import cli
from midpipe.reports.sinks.drivers import drivers_markdown

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def commands_in(page: Path) -> list[list[str]]:
    """Return the calls of midpipe in a page's code blocks, as words."""
    text = page.read_text("utf-8")
    fenced = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S))
    call = r"(midpipe [a-z].*?)(?:\s{3,}.*)?$"
    indented = re.findall(rf"^ {{4,}}{call}", text, re.M)
    lines = [*indented, *re.findall(rf"^(?:\$ )?{call}", fenced, re.M)]
    return [shlex.split(line, comments=True) for line in lines if "…" not in line]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_in_the_documents_exists_with_its_options(page: Path) -> None:
    if page.stem == "command-line":
        pytest.skip("made from the code")
    top = click.Context(cli, info_name="midpipe")
    for _, name, *words in commands_in(page):
        # A campaign is followed by the command that it runs.
        names = (
            name,
            *(word for word in words if name == "campaign" and word in cli.list_commands(top)),
        )
        commands = [cli.get_command(top, each) for each in names]
        parameters = [parameter for command in commands if command for parameter in command.params]
        assert all(commands), names
        known = {option for parameter in parameters for option in parameter.opts} | {"--help"}
        used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert used <= known, f"midpipe {name}: {used - known}"


def test_the_documents_name_commands() -> None:
    assert sum(len(commands_in(page)) for page in PAGES) > 20


@pytest.mark.parametrize("name", ["command-line", "faults", "invariants", "programs", "queues"])
def test_a_page_that_is_made_from_the_code_is_fresh(name: str) -> None:
    """Made by the script of its name: python .ci/command_line.py, python .ci/faults.py, and so on."""
    made = runpy.run_path(str(ROOT / ".ci" / f"{name.replace('-', '_')}.py"))["page"]()
    assert (ROOT / "docs" / f"{name}.md").read_text("utf-8") == made


def test_the_drivers_page_says_what_the_code_says_of_its_cells() -> None:
    page = (ROOT / "docs" / "drivers.md").read_text("utf-8")
    server = re.search(r"has measured it on (.*)\.\nEach client", page)
    assert server
    assert page.startswith(drivers_markdown((), (), server[1]))


def test_the_site_lists_pages_that_exist() -> None:
    named = set(re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M))
    assert named
    assert named <= {page.name for page in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("file", [".github/workflows/midpipe.yml", ".gitlab-ci.yml"])
def test_the_documents_show_the_example_s_workflows(file: str) -> None:
    shown = (ROOT / "docs" / "continuous-integration.md").read_text("utf-8")
    assert (ROOT / "examples" / "list-queue" / file).read_text("utf-8") in shown


def test_the_parts_of_replay_lines_on_their_page_can_be_read() -> None:
    page = (ROOT / "docs" / "replay-lines.md").read_text("utf-8")
    parts = re.findall(r"^ {4}(A\S*)", page, re.M)
    assert len(parts) == 3
    for part in parts:
        line = f"work: {part}!lost-reply"
        assert replay_string("work", parse_replay_string(line, CATALOGUE)[1]) == line


def test_the_page_about_workers_explains_what_midpipe_init_writes_into_an_adapter() -> None:
    written = (ROOT / "scenarios" / "subjects" / "adapting.py").read_text("utf-8")
    names = set(re.findall(r"midpipe_job\.(\w+)", written))
    page = (ROOT / "docs" / "worker.md").read_text("utf-8")
    assert "run_taken" in names
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", page)] == []
