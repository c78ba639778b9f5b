"""Puts text from elsewhere into Markdown so that none of it is read as markup. Pure.

The text has no control characters and no line ends: those are escaped where text enters a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MARKUP = re.compile(r"[\\`*\[\]<>#|~&$]|(?<!\w)_|_(?!\w)")
_BLOCK_START = re.compile(r"^(\d{1,9})?([.)+=-])(?=\s|[-=]*$)")
_BACKTICKS = re.compile(r"`+")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def inline(text: str) -> Markdown:
    """Return text for a paragraph, a heading or a table cell, with everything escaped that could be markup."""
    escaped = _MARKUP.sub(r"\\\g<0>", text.strip())
    return Markdown(_BLOCK_START.sub(lambda at: f"{at[1] or ''}\\{at[2]}", escaped))


def code(text: str) -> Markdown:
    """Return text as a code span."""
    ticks = "`" * (_longest_run(text) + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return Markdown(f"{ticks}{padding}{text}{padding}{ticks}") if text else Markdown()


def fenced(lines: Iterable[str]) -> tuple[Markdown, ...]:
    """Return lines as a code block, whose fence is longer than any in the lines."""
    block = tuple(lines)
    fence = "`" * max(3, max(map(_longest_run, block), default=0) + 1)
    return tuple(map(Markdown, (fence, *block, fence)))


def table_row(cells: Iterable[object]) -> Markdown:
    """Return a row of a table; a cell that is not Markdown yet is escaped."""
    words = (cell if isinstance(cell, Markdown) else inline(str(cell)) for cell in cells)
    return Markdown(f"| {' | '.join(words)} |")


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)
