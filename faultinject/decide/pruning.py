"""Cases that can't differ from another that is run, each by a named rule; and which events commute. Pure.

A rule is sound if the server's state and what every client sees are the same as in the case it points to.

Two events commute if their keys are disjoint or both only read; whether calls can tell them apart nonetheless is for
the interleaver to see. A script is taken at its word: it touches the keys that it declares. Whoever runs the cases can
see more, and says which scripts touch others: those commute with nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from midpipe.faultinject.vocabulary import FaultRef, WireEvent
from midpipe.faultinject.wire.commands import SCRIPT_CALLS


def rule_against(fault: FaultRef, event: WireEvent) -> str | None:
    """Return the name of the rule that leaves this fault at this event out, or None.

    ``late-read``: a command that only reads, delivered late, changes nothing and answers nobody: ``black-hole``
    at the same place is the same case.
    ``late-again``: ``late=1`` after the client's last command is ``late``; told apart only when run, so not a rule.
    ``queued-nothing``: inside MULTI … EXEC the server has run nothing yet, so one torn place (the middle) and
    one cut stand for all.
    """
    if fault.name == "late" and not event.is_write:
        return "late-read"
    if event.position.inside and fault.name in ("torn-first", "torn-last"):
        return "queued-nothing"
    return None


EVERY_SCRIPT = "*"


class Independence:
    """Which events of different clients lead to the same state, and the same answers, in either order.

    Args:
        open_scripts: names of the scripts that touch keys which they do not declare; ``*`` stands for every script.
        unforeseeable: names of the scripts that send a command which is not foreseeable.

    Attributes:
        relied_on: names of the scripts that have been taken at their word.
    """

    def __init__(
        self,
        open_scripts: Iterable[str] = (),
        relied_on: Iterable[str] = (),
        unforeseeable: Iterable[str] = (),
    ) -> None:
        self.open_scripts = set(open_scripts)
        self.relied_on = set(relied_on)
        self.unforeseeable = set(unforeseeable)

    def may_commute(self, one: WireEvent, other: WireEvent) -> bool:
        if not one.is_write and not other.is_write:
            return True
        if one.keys is None or other.keys is None or set(one.keys) & set(other.keys):
            return False
        scripts = {*scripts_of(one), *scripts_of(other)}
        if scripts & self.open_scripts or (scripts and EVERY_SCRIPT in self.open_scripts):
            return False
        self.relied_on |= scripts
        return True


def scripts_of(event: WireEvent) -> tuple[str, ...]:
    """Return the names of the scripts and functions that an event calls, each once."""
    names = (script_called(words) for words in (event.args, *event.block))
    return tuple(dict.fromkeys(name for name in names if name))


def script_called(words: tuple[bytes, ...]) -> str:
    """Return the name of the script that a command calls, the same for EVAL and EVALSHA; empty if it calls none."""
    name = words[0].upper()
    if name not in SCRIPT_CALLS or len(words) < 2:
        return ""
    if name in (b"EVAL", b"EVAL_RO"):
        # The name that the server gives a script; nothing depends on its being hard to forge.
        return hashlib.sha1(words[1], usedforsecurity=False).hexdigest()
    return words[1].decode("utf-8", "backslashreplace").lower()
