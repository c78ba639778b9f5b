"""Decodes and checks the messages that subjects send. Pure.

A subject is foreign code: its messages may have any form. What does not follow the subject protocol raises
MalformedMessageError, whose text says what is wrong, so that midpipe can blame the subject.

Blind to: an answer that has the right form and is untrue.
"""

from __future__ import annotations

import json
import math
from typing import Any, NotRequired, TypedDict, TypeVar, cast

import msgspec

MOST_BYTES = 256 * 1024 * 1024
"""Length of the longest message that midpipe reads."""
MOST_LEVELS = 100
"""How deep a message may be nested. Much deeper values overflow the stack of whatever handles them."""

Message = TypeVar("Message")


class ErrorDescription(TypedDict):
    """An exception: its type's name, its message, and the names of all its classes."""

    type: NotRequired[str]
    message: NotRequired[str]
    kinds: NotRequired[list[str]]


class ReadyMessage(TypedDict):
    """The first message: whether the subject is loaded, and whether a process that has loaded it may be forked."""

    ready: bool
    error: NotRequired[ErrorDescription | None]
    forks: NotRequired[bool]


class AnswerMessage(TypedDict):
    """The answer to a request.

    ``ok`` is what a call returned; ``children`` says whether the subject has started processes that still run, and is
    left out by a host that does not know; ``clean`` in the answer to ``close`` says that nothing is left of the
    instances that the process has hosted; ``imported`` is for the fork server; from ``methods`` on they belong to
    ``open``.
    """

    id: int | float
    ok: NotRequired[Any]
    error: NotRequired[ErrorDescription | None]
    ms: NotRequired[float | None]
    logs: NotRequired[list[list[str]] | None]
    counted: NotRequired[list[tuple[str, dict[str, str], float]] | None]
    children: NotRequired[bool | None]
    clean: NotRequired[bool | None]
    imported: NotRequired[list[str] | None]
    methods: NotRequired[list[str] | None]
    accepts: NotRequired[dict[str, list[str] | None] | None]
    promises: NotRequired[dict[str, Any] | None]
    background: NotRequired[list[str] | None]
    latency_bound_s: NotRequired[float | None]
    service: NotRequired[bool | None]
    waits_for_replicas: NotRequired[bool | None]
    counters: NotRequired[list[str] | None]


_READY = msgspec.json.Decoder(ReadyMessage)
_ANSWER = msgspec.json.Decoder(AnswerMessage)
Sources = dict[str, tuple[str, int]]
"""By method, the text and the first line number."""


class MalformedMessageError(ValueError):
    """A message does not follow the subject protocol; the text says what is wrong."""


def decode_ready(line: bytes) -> ReadyMessage:
    """Decode a subject's first message. Raises MalformedMessageError."""
    return _decode(line, _READY)


def decode_answer(line: bytes) -> AnswerMessage:
    """Decode the answer to a request. Raises MalformedMessageError."""
    answer = _decode(line, _ANSWER)
    if not math.isfinite(answer.get("ms") or 0.0):
        raise MalformedMessageError(f"ms is {answer['ms']}")
    bound_s = answer.get("latency_bound_s")
    if bound_s is not None and not 0 < bound_s < math.inf:
        raise MalformedMessageError(
            f"latency_bound_s is {bound_s}, and must be a positive number of seconds"
        )
    return answer


def checked_sources(value: object) -> Sources:
    """Return the answer to a request for the source code. Raises MalformedMessageError."""
    sources: Sources = _converted(value, Sources)
    return sources


def check_counts(value: object) -> None:
    """Check the answer to a request for load: a number for each name. Raises MalformedMessageError."""
    _converted(value, dict[str, int])


def _decode(line: bytes, decoder: msgspec.json.Decoder[Message]) -> Message:
    """Decode a line. NaN, Infinity and large integers, which Python's encoder writes, are accepted."""
    try:
        message = decoder.decode(line)
    except msgspec.ValidationError as error:
        raise MalformedMessageError(f"{error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = cast(Message, _converted(_decode_leniently(line), decoder.type))
    if line.count(b"[") + line.count(b"{") > MOST_LEVELS and _is_too_deep(message):
        raise MalformedMessageError(f"it is nested more than {MOST_LEVELS} levels deep")
    return message


def _converted(value: object, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise MalformedMessageError(f"{error}") from None


def _decode_leniently(line: bytes) -> Any:
    try:
        return _without_surrogates(json.loads(line))
    except ValueError as error:
        raise MalformedMessageError(f"it is not JSON: {error}") from None
    except RecursionError:
        raise MalformedMessageError("it is nested too deeply") from None


def _without_surrogates(value: Any) -> Any:
    """Return the value with escapes in place of lone surrogates, which no text file can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
