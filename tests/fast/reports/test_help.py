"""``midpipe --help`` and the help of each command, as a terminal of 80 columns shows it."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from midpipe.reports.cli.main import cli

COMMANDS = cli.list_commands(click.Context(cli))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_the_help_is_wider_than_80_columns(name: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"], terminal_width=80).output
    assert "Options:" in shown
    assert [line for line in shown.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_shows_the_default_of_a_time_with_its_unit(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    times = [each for each in command.params if getattr(each, "metavar", "") == "TIME"]
    assert [each.name for each in times if isinstance(each.default, float) and each.default] == []
