"""Which scripts a program's clients call, and whether the server still has them in its cache.

Blind to: the scripts that only the recovery calls, because its connections pass unread. No fault meets those calls, so
a script that the server has to learn there changes no case.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1

from midpipe.faultinject.errors import ServerError
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.record import CaseRecord


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


def _digest(command: tuple[bytes, ...]) -> str:
    """Return the digest of the script that a command calls by its text or its digest; empty if it calls none."""
    if len(command) < 2:
        return ""
    name, given = command[0].upper(), command[1]
    if name in (b"EVALSHA", b"EVALSHA_RO"):
        return given.decode("ascii", "replace").lower()
    return sha1(given, usedforsecurity=False).hexdigest() if name in (b"EVAL", b"EVAL_RO") else ""
