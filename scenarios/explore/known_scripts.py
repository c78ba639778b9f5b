"""Which scripts a program's clients call, and whether the server still has them in its cache.

Blind to: the scripts that only the recovery calls, because its connections pass unread. No fault meets those calls, so
a script that the server has to learn there changes no case.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1

from midpipe.faultinject.errors import ServerError
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.record import CaseRecord, Stepped


def scripts_in(records: Iterable[CaseRecord]) -> frozenset[str]:
    """Return the digests of the scripts that the clients of the cases called."""
    commands = [
        command
        for record in records
        for step in record.steps
        for command in (step.event.args, *step.event.block)
    ]
    return frozenset(filter(None, map(_digest, commands)))


def knows_scripts(rig: Rig, digests: frozenset[str]) -> bool:
    """Whether the server has all of these scripts in its cache; False if it does not say."""
    if not digests:
        return True
    try:
        answer = rig.control.call("SCRIPT", "EXISTS", *sorted(digests))
    except ServerError:
        return False
    return answer == (1,) * len(digests)


def had_to_learn(record: CaseRecord) -> bool:
    """Whether the server was asked for a script in the case that it did not have.

    It said so in the answer to the call, or when a client asked which scripts it has.
    """
    return any(
        b"-NOSCRIPT " in entry.reply
        or (_asks_for_scripts(entry.step.event.args) and b":0\r\n" in entry.reply)
        for entry in record.entries
        if isinstance(entry, Stepped)
    )


def _asks_for_scripts(args: tuple[bytes, ...]) -> bool:
    """Whether a command asks the server which scripts it has."""
    return tuple(word.upper() for word in args[:2]) == (b"SCRIPT", b"EXISTS")


def _digest(command: tuple[bytes, ...]) -> str:
    """Return the digest of the script that a command calls by its text or its digest; empty if it calls none."""
    if len(command) < 2:
        return ""
    name, given = command[0].upper(), command[1]
    if name in (b"EVALSHA", b"EVALSHA_RO"):
        return given.decode("ascii", "replace").lower()
    return sha1(given, usedforsecurity=False).hexdigest() if name in (b"EVAL", b"EVAL_RO") else ""
