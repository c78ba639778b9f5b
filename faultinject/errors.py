"""Errors, by who has to act: the user, the author of the subject, the owner of the server, or midpipe's developers.

Each message states what was seen, and then what to do about it.
"""

from __future__ import annotations


class MidpipeError(Exception):
    """Base of everything that midpipe raises on purpose.

    Attributes:
        exit_code: the process exits with it if the command line does not handle the error.

    Example:
        >>> from midpipe import MidpipeError, judge
        >>> try:
        ...     judge("queue.py")
        ... except MidpipeError as error:
        ...     print(error.exit_code)
        2
    """

    exit_code = 2


class UsageError(MidpipeError):
    """An option, an argument or a file that the user gave is not usable.

    Example:
        >>> from midpipe import UsageError, judge
        >>> try:
        ...     judge("midpipe.reference:Queue", parts=["swep"])
        ... except UsageError as error:
        ...     print(error)
        There is no part 'swep'. The parts are sweep, interleave, fleet, durability, fuzz.
    """


class SubjectError(MidpipeError):
    """The queue under test cannot be loaded, hosted or called.

    Example:
        >>> from midpipe import Session, SubjectError
        >>> with Session("midpipe.scenarios.flaws.as_reviewed:SimpleQueue") as session:
        ...     try:
        ...         session.run("claim-vs-claim")
        ...     except SubjectError as error:
        ...         print(error)
        midpipe.scenarios.flaws.as_reviewed:SimpleQueue has no claim, which the program claim-vs-claim needs.
    """


class ServerError(MidpipeError):
    """The Redis server cannot be started or reached, or midpipe must not touch it.

    Example:
        >>> from midpipe import RedisServer, ServerError
        >>> try:
        ...     RedisServer("redis://127.0.0.1:1/0")
        ... except ServerError:
        ...     print("not reached")
        not reached
    """


class NotApplicableError(ServerError):
    """The server works, but what was asked for does not apply to it."""

    @property
    def reason(self) -> str:
        """The message as half a sentence."""
        text = str(self)
        return text[:1].lower() + text[1:].removesuffix(".")


class InternalError(MidpipeError):
    """A defect of midpipe itself.

    Args:
        trace: the stack trace, as text.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace
