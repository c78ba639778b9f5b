"""Labels: a position as what a client sends, and which of the commands that send it. Pure.

A worker that polls sends one more or one fewer command each time, and one with several connections sends them in
another order. So an ordinal names another command in each run, and a label the same one. It is the command's name with
its subcommand and its first key. For a script it is the beginning of its digest and the first words among its
arguments, which some libraries use as the name of an operation. Whatever differs from run to run is masked in it:
numbers, and words with digits in them, such as ids.

Blind to: which of several equal commands a connection sends, if all are sent at once; and ids of letters alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha1
from itertools import islice

from midpipe.faultinject.vocabulary import Label
from midpipe.faultinject.wire.commands import SCRIPT_CALLS, CommandTable
from midpipe.faultinject.wire.resp import Reply

_SHOWN_OF_DIGEST = 6
_MOST_WORDS = 2
_WORD = re.compile(rb"[A-Za-z][A-Za-z_.-]{1,19}")
_VARIABLE = re.compile(
    rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[A-Za-z]*[0-9][A-Za-z0-9]*|[^A-Za-z0-9_.:{}@$/|-]+"
)
_UNREADABLE = re.compile(rb"[^A-Za-z0-9._|-]+")
_REPEATED = re.compile(r"\*(?:[-_.]?\*)+")


def command_of(table: CommandTable, args: Sequence[bytes]) -> str:
    """Return a command's name with its subcommand, or with what identifies its script.

    Args:
        args: the command's name and arguments.
    """
    spec = table.spec(args)
    name = _readable(spec.name if spec else args[0].upper())
    if args[0].upper() not in SCRIPT_CALLS or len(args) < 3:
        return name
    called = [_script(args[0].upper(), args[1])]
    if args[2].isdigit():
        words = filter(_WORD.fullmatch, args[3 + int(args[2]) :])
        called += [word.decode() for word in islice(words, _MOST_WORDS)]
    return f"{name}({','.join(called)})"


def stable_key(key: bytes, host: bytes = b"") -> str:
    """Return a key with ``*`` for what differs from run to run: numbers, ids, and the machine's name.

    Args:
        host: the machine's name.
    """
    if host:
        key = re.sub(rb"(?<![\w-])" + re.escape(host) + rb"(?![\w-])", b"*", key)
    return _REPEATED.sub("*", _VARIABLE.sub(b"*", key).decode("ascii", "replace"))


def _script(name: bytes, given: bytes) -> str:
    """Return what identifies a script: its name as a function, or the beginning of its digest."""
    if name.startswith(b"FCALL"):
        return _readable(given)
    if name.startswith(b"EVALSHA"):
        return _readable(given[:_SHOWN_OF_DIGEST]).lower()
    return sha1(given, usedforsecurity=False).hexdigest()[:_SHOWN_OF_DIGEST]


def _readable(name: bytes) -> str:
    """Return a name as a schedule can contain it."""
    return _UNREADABLE.sub(b"-", name).decode("ascii")


def finds_nothing(command: Sequence[bytes], reply: Reply) -> bool:
    """Whether a reply hands nothing out. That of XAUTOCLAIM begins with where to continue, whatever it has found."""
    value = reply.value
    if command[0].upper() == b"XAUTOCLAIM" and isinstance(value, tuple):
        return not any(value[1:])
    return value is None or value == ()


class LabelCounter:
    """Numbers the commands of a client's attempt that send the same."""

    def __init__(self) -> None:
        self._call = (1, 1)
        self._sent: Counter[tuple[str, str]] = Counter()

    def begin(self, operation: int, attempt: int) -> None:
        """Count from 1 again: the client begins an attempt at an operation.

        Args:
            operation, attempt: ordinals, from 1.
        """
        self._call = operation, attempt
        self._sent.clear()

    def next(self, client: str, command: str, key: str) -> Label:
        """Return the label of the client's next command."""
        self._sent[command, key] += 1
        operation, attempt = self._call
        occurrence = self._sent[command, key]
        return Label(
            client, command, key, occurrence=occurrence, operation=operation, attempt=attempt
        )

    def found_nothing(self, label: Label) -> None:
        """The command was a poll without result, which does not count: the next one has its label."""
        if (label.operation, label.attempt) == self._call:
            self._sent[label.command, label.key] -= 1
