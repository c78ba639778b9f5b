"""Inline commands, as typed over telnet: a line split into arguments as the server splits it. Pure.

Double quotes allow ``\\n``, ``\\r``, ``\\t``, ``\\a``, ``\\b`` and ``\\xHH``; single quotes allow ``\\'`` only.
"""

from __future__ import annotations

import re

_WORD = re.compile(
    rb"""(?P<double>"(?:\\.|[^"\\])*")|(?P<single>'(?:\\'|[^'\\]|\\(?!'))*')|(?P<plain>[^ \t\n\r\0"']+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_SPACE = b" \t\n\r\v\f\0"


def split_inline(line: bytes) -> tuple[bytes, ...] | None:
    """Return the name and arguments of a line; None if its quotes are unbalanced."""
    words: list[bytes] = []
    position = 0
    while True:
        while position < len(line) and line[position] in _SPACE:
            position += 1
        if position >= len(line):
            return tuple(words)
        word = b""
        while position < len(line) and line[position] not in _SPACE:
            match = _WORD.match(line, position)
            if match is None:
                return None
            position = match.end()
            if match["plain"] is not None:
                word += match["plain"]
                continue
            word += _unquoted(match)
            if position < len(line) and line[position] not in _SPACE:
                return None
        words.append(word)


def _unquoted(match: re.Match[bytes]) -> bytes:
    if match["single"] is not None:
        return match["single"][1:-1].replace(b"\\'", b"'")
    return _ESCAPE.sub(_unescaped, match["double"][1:-1])


def _unescaped(match: re.Match[bytes]) -> bytes:
    what = match[1]
    if len(what) == 3:
        return bytes([int(what[1:], 16)])
    return _NAMED.get(what, what)
