"""Makes text safe to write anywhere: hides secrets, and escapes what a terminal or a document would act on. Pure.

Text from a subject, a server or a command line passes through here once, where it enters a verdict, a result or an
error message. So no report has to do it again, and none can forget it.

Blind to: a secret that is neither on the command line nor in a URL, and one of fewer than six characters outside a URL.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import TypeVar, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
_SECRET_NAME = (
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)"
)
_IS_SECRET = re.compile(rf"\w*{_SECRET_NAME}\w*", re.IGNORECASE)
_IN_QUERY = re.compile(r"(?i)([?&;](?:pass|pwd|auth|\w*" + _SECRET_NAME + r"\w*)=)[^&;#\s'\"<>]*")
_IN_VARIABLE = re.compile(rf"\b([A-Z0-9_]*{_SECRET_NAME}[A-Z0-9_]*=)[^\s'\"]+")
_IN_CODE = re.compile(
    rf"(?i)(\w*{_SECRET_NAME}\w*['\"]?\]?\s*(?::[\w\s\[\].|]+?)?[:=,]\s*[a-z]{{0,2}})(['\"])(?:\\.|(?!\2).)*\2"
)
"""A literal that is assigned to a secret's name, is its value in a mapping, or follows it as an argument."""
_IN_AUTHORITY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?!user:password@)[^\s'\"<>]*@")
"""Greedy: a password may contain ``@``, and the host begins after the last one. Help says ``user:password@``."""
_SHORTEST = 6

_Value = TypeVar("_Value")


def printable(text: str) -> str:
    """Return text with all that is not printable escaped: control, format and bidi characters, line ends."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True, slots=True)
class Redaction:
    """Hides secrets in text: those that it knows, and those that a URL or a variable's name gives away.

    Args:
        secrets: to hide wherever they occur, also URL-encoded or quoted.
    """

    secrets: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        """Return text with each secret replaced by ``***``."""
        for pattern in (_IN_AUTHORITY, _IN_QUERY, _IN_VARIABLE):
            text = pattern.sub(rf"\1{HIDDEN}" + ("@" if pattern is _IN_AUTHORITY else ""), text)
        for form in sorted({form for secret in self.secrets for form in _forms(secret)}, key=len)[
            ::-1
        ]:
            text = text.replace(form, HIDDEN)
        return text


def redaction_of(words: Iterable[str]) -> Redaction:
    """Return what hides the secrets that a command line names.

    Args:
        words: arguments, as the program received them: URLs, and variables as ``NAME=value``.
    """
    found = {secret for word in words for secret in _secrets_in(word)}
    return Redaction(tuple(sorted(secret for secret in found if len(secret) >= _SHORTEST)))


def without_secret_literals(line: str) -> str:
    """Return a line of source code in which each literal that a secret's name introduces is hidden."""
    return _IN_CODE.sub(rf"\1\2{HIDDEN}\2", line)


def safe_command(words: Sequence[str]) -> str:
    """Return a command as a shell takes it, with the value of each secret variable and URL hidden."""
    redact = redaction_of(words)
    return printable(shlex.join(redact(_without_value(word)) for word in words))


def _without_value(word: str) -> str:
    """Return a word ``NAME=value`` or ``--env=NAME=value`` without its value, if the name is a secret's."""
    head, equals, value = word.partition("=")
    if not equals:
        return word
    if _IS_SECRET.fullmatch(head.removeprefix("--")):
        return f"{head}={HIDDEN}"
    return f"{head}={_without_value(value)}" if head.startswith("--") else word


def safe(redact: Redaction) -> Callable[[str], str]:
    """Return a function that makes one line of text safe to write."""
    return lambda text: printable(redact(text))


def map_text(value: _Value, change: Callable[[str], str]) -> _Value:
    """Return a value in which every text is changed.

    Args:
        value: a dataclass of texts, tuples, dicts, other dataclasses, and anything without text.
    """
    result: object = value
    if isinstance(value, str) and not isinstance(value, Enum):
        result = change(value)
    elif isinstance(value, tuple):
        result = tuple(map_text(item, change) for item in value)
    elif isinstance(value, dict):
        result = {map_text(key, change): map_text(item, change) for key, item in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: map_text(getattr(value, f.name), change) for f in fields(value)}
        result = replace(value, **changed)
    return cast("_Value", result)


def _secrets_in(word: str) -> Iterator[str]:
    """Yield the secrets in one word: a URL's password, secret parameters, the value of a secret variable."""
    if "://" in word:
        yield from _secrets_in_url(word)
    name, equals, value = word.removeprefix("--").partition("=")
    if equals and name.isidentifier():
        if _IS_SECRET.fullmatch(name):
            yield value
        else:
            # --env=NAME=value
            yield from _secrets_in(value)


def _secrets_in_url(url: str) -> Iterator[str]:
    rest = url.partition("://")[2]
    # A password may contain "/", and a query "@": so it ends before the last "@" of the URL, or of its first part.
    for part in (rest, re.split("[/?#]", rest)[0]):
        authority, at, _ = part.rpartition("@")
        if at:
            user, colon, password = authority.partition(":")
            secret = password if colon else user
            yield secret
            yield unquote(secret)
    try:
        query = urlsplit(url).query
    except ValueError:
        return
    for name, value in parse_qsl(query):
        if _IS_SECRET.fullmatch(name) or name.lower() in ("pass", "pwd", "auth"):
            yield value


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it may be written: raw, URL-encoded, in JSON, in Python's repr, and within shell quotes."""
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    yield shlex.quote(secret).removeprefix("'").removesuffix("'")
