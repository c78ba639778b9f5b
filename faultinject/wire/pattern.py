"""Patterns that name commands: ``COMMAND[:KEY][ ARGUMENT…]``, each part a glob. Pure.

``RPUSH``, ``HSET:ai:job:*``, ``EVALSHA:dramatiq heartbeat``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class CommandPattern:
    """Which commands a user means.

    Args:
        command: a glob for the command's name, upper case.
        key: a glob for one of the keys that it touches; None matches a command without keys too.
        words: globs, of which each has to match one of its arguments.
    """

    command: str
    key: str | None = None
    words: tuple[str, ...] = ()

    def matches(self, args: Sequence[bytes], keys: Sequence[bytes] | None) -> bool:
        """Whether it names this command.

        Args:
            args: the command's name and arguments.
            keys: the keys that it touches; None if they are unknown.
        """
        name, *arguments = (bytes(word).decode(errors="replace") for word in args)
        touched = [bytes(key).decode(errors="replace") for key in keys or ()]
        return (
            fnmatchcase(name.upper(), self.command)
            and (self.key is None or any(fnmatchcase(key, self.key) for key in touched))
            and all(any(fnmatchcase(each, word) for each in arguments) for word in self.words)
        )


def parse_pattern(text: str) -> CommandPattern:
    """Return the pattern that a text writes out."""
    place, *words = text.split() or [""]
    command, colon, key = place.partition(":")
    return CommandPattern(command.upper(), key if colon else None, tuple(words))
