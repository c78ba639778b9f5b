"""How results are printed: a console, a line of text, a story. Text from a subject is never read as markup."""

from __future__ import annotations

import os
from textwrap import fill

from rich.console import Console
from rich.text import Text

from midpipe.reports.view import LEFT, OBSERVED, picture
from midpipe.scenarios.model.story import Story

_TONE = {"plain": "", "quiet": "dim", "bad": "red", "fault": "bold yellow"}
WIDTH_OF_A_PIPE = 120


def results() -> Console:
    """Return the console for results: standard output. What is not a terminal is wide, unless COLUMNS is set."""
    console = Console()
    if console.is_terminal or os.environ.get("COLUMNS"):
        return console
    return Console(width=WIDTH_OF_A_PIPE)


def render_story(story: Story, console: Console) -> None:
    """Print one case step by step, as wide as the console. A terminal wraps what is observed between words."""
    for line in picture(story, console.width):
        if line.left in OBSERVED and console.is_terminal:
            left = f"{line.left:<{LEFT}}"
            wrapped = fill(
                line.text, console.width, initial_indent=left, subsequent_indent=" " * LEFT
            )
            say(console, wrapped, _TONE[line.tone])
            continue
        text = Text(f"{line.left:<{LEFT}}", style=_TONE[line.tone])
        text.append(line.text, style=_TONE[line.tone])
        text.append(line.right, style="" if line.tone == "plain" else _TONE[line.tone])
        console.print(text, soft_wrap=True)


def say(console: Console, text: str, style: str = "") -> None:
    """Print one line of plain text, which a terminal may wrap and a pipe keeps whole."""
    console.print(Text(text, style=style), soft_wrap=True)
