"""Errors by whose fault they are. Messages are one sentence of what was seen, and one of the way out."""

from __future__ import annotations


class MidpipeError(Exception):
    """Base of everything that midpipe raises on purpose."""

    exit_code = 2


class UsageError(MidpipeError):
    """What the user gave can't be used."""


class SubjectError(MidpipeError):
    """The queue under test can't be loaded, hosted or called."""


class ServerError(MidpipeError):
    """Redis can't be started or reached, or is not ours to touch."""


class NotApplicableError(ServerError):
    """There is nothing wrong with the server, but what was asked for does not apply to it."""


class InternalError(MidpipeError):
    """midpipe's own fault.

    Args:
        trace: where it happened, as text.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace
