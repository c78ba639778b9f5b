"""Errors, by who has to act: the user, the author of the subject, the owner of the server, or midpipe's developers.

Each message states what was seen, and then what to do about it.
"""

from __future__ import annotations


class MidpipeError(Exception):
    """Base of everything that midpipe raises on purpose.

    Attributes:
        exit_code: the process exits with it if the command line does not handle the error.
    """

    exit_code = 2


class UsageError(MidpipeError):
    """An option, an argument or a file that the user gave is not usable."""


class SubjectError(MidpipeError):
    """The queue under test cannot be loaded, hosted or called."""


class ServerError(MidpipeError):
    """The Redis server cannot be started or reached, or midpipe must not touch it."""


class NotApplicableError(ServerError):
    """The server works, but what was asked for does not apply to it."""


class InternalError(MidpipeError):
    """A defect of midpipe itself.

    Args:
        trace: the stack trace, as text.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace
