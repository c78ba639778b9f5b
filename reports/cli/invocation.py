"""The command line of this process, as text without secrets, and when it began; and what makes other text safe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import click

from midpipe.scenarios.model.safe_text import Redaction, redaction_of, safe, safe_command


def command_line(words: Sequence[str] | None = None) -> str:
    """Return the command as a shell takes it, with each secret replaced by ``***``.

    Args:
        words: the arguments; those of this process if None.
    """
    return safe_command(["midpipe", *(sys.argv[1:] if words is None else words)])


def started_s() -> float:
    """Return when the command began, on the monotonic clock; now if no command is running."""
    ctx = click.get_current_context(silent=True)
    return ctx.obj if ctx is not None and isinstance(ctx.obj, float) else time.monotonic()


def redaction() -> Redaction:
    """Return what hides the secrets of this process's command line."""
    return redaction_of(sys.argv[1:])


def safe_text() -> Callable[[str], str]:
    """Return a function that makes one line of text safe to write: no secret, no control character."""
    return safe(redaction())
