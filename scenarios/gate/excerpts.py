"""Reads the lines of the subject's code that a story names, so that a report shows them wherever it is opened.

A file that can't be read, is long or is no text is left out: a finding without its code is still a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from midpipe.scenarios.model.finding import CodeLine
from midpipe.scenarios.model.safe_text import without_secret_literals
from midpipe.scenarios.model.story import SourceLine, Story

AROUND = 3
"""So many lines before and after each line are read as well."""
_LONGEST_FILE, _LONGEST_LINE = 2_000_000, 200


def code_of(story: Story | None) -> tuple[CodeLine, ...]:
    """Return the lines that sent the story's commands, and those around them, by file and number."""
    wanted: dict[str, set[int]] = {}
    for line in _named_by(story):
        around = range(line.line - AROUND, line.line + AROUND + 1)
        wanted.setdefault(line.file, set()).update(around)
    return tuple(
        CodeLine(file, number, text)
        for file, numbers in sorted(wanted.items())
        for number, text in enumerate(_lines_of(Path(file)), 1)
        if number in numbers
    )


def _named_by(story: Story | None) -> Iterator[SourceLine]:
    for step in story.steps if story else ():
        if step.command is not None and step.command.source is not None:
            source = step.command.source
            yield from (source.sent, *source.frames, *source.queued)


def _lines_of(file: Path) -> list[str]:
    try:
        # A subject in another language names its files itself, so one may be a device or a pipe.
        if not file.is_file() or file.stat().st_size > _LONGEST_FILE:
            return []
        lines = file.read_text("utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError):
        return []
    return [without_secret_literals(line.expandtabs(4).rstrip())[:_LONGEST_LINE] for line in lines]
