"""The command line of this process, as text without secrets; and what makes other text safe to write, given it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from midpipe.scenarios.model.safe_text import Redaction, redaction_of, safe, safe_command


def command_line(words: Sequence[str] | None = None) -> str:
    """Return the command as a shell takes it, with each secret replaced by ``***``.

    Args:
        words: the arguments; those of this process if None.
    """
    return safe_command(["midpipe", *(sys.argv[1:] if words is None else words)])


def redaction() -> Redaction:
    """Return what hides the secrets of this process's command line."""
    return redaction_of(sys.argv[1:])


def safe_text() -> Callable[[str], str]:
    """Return a function that makes one line of text safe to write: no secret, no control character."""
    return safe(redaction())
