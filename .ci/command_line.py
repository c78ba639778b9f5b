"""Writes docs/command-line.md from the commands themselves: python .ci/command_line.py."""

from __future__ import annotations

from pathlib import Path

import click

from midpipe.reports.cli.main import cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "command-line.md"
WIDTH = 100


def page() -> str:
    """Return the page: the help of every command, as a terminal shows it."""
    parts = [
        "# Command line\n",
        "Made from the code by `python .ci/command_line.py`. Most options can be stored in "
        "[`[tool.midpipe]`](configuration.md).\n",
    ]
    top = context(cli, None, "midpipe")
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        assert command is not None
        text = command.get_help(context(command, top, name)).rstrip()
        parts.append(f"## midpipe {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def context(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    """Return a context as the program makes it, in which help has the same width everywhere."""
    names = cli.context_settings["help_option_names"]
    return click.Context(
        command, parent=parent, info_name=name, terminal_width=WIDTH, help_option_names=names
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
