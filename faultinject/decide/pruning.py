"""The rules by which a sweep prunes cases that cannot differ from another case, and which events commute. Pure.

A rule is sound if the server's state and everything that the clients see are the same in both cases.

Two events commute if they have no key in common, or if both only read. That their order may still be visible to the
callers is for the interleaver to consider. A script is trusted to touch the keys that it declares and no others; the
code that runs the cases can observe the scripts, and report the ones that break that trust.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from midpipe.faultinject.vocabulary import FaultRef, WireEvent
from midpipe.faultinject.wire.commands import SCRIPT_CALLS


def rule_against(fault: FaultRef, event: WireEvent) -> str | None:
    """Return the name of the rule that prunes this fault at this event; None if it must be run.

    ``late-read``: a reading command that is delivered late changes nothing, and no client receives the reply, so the
    case equals ``black-hole`` at the same position.
    ``queued-nothing``: inside MULTI … EXEC the server has executed nothing yet, so one torn variant (the middle) and
    one cut represent all.
    """
    if fault.name == "late" and not event.is_write:
        return "late-read"
    if event.position.inside and fault.name in ("torn-first", "torn-last"):
        return "queued-nothing"
    return None


EVERY_SCRIPT = "*"
"""Stands for every script, among the names of untrusted ones."""


class Independence:
    """Decides which events of different clients lead to the same state and the same replies in either order.

    Args:
        untrusted_scripts: names of the scripts that touch keys which they do not declare; they commute with nothing.
        trusted_scripts: names of the scripts whose declared keys were relied on.
        unpredictable_scripts: names of the scripts that call a command whose effect cannot be predicted.
    """

    def __init__(
        self,
        untrusted_scripts: Iterable[str] = (),
        trusted_scripts: Iterable[str] = (),
        unpredictable_scripts: Iterable[str] = (),
    ) -> None:
        self.untrusted_scripts = set(untrusted_scripts)
        self.trusted_scripts = set(trusted_scripts)
        self.unpredictable_scripts = set(unpredictable_scripts)

    def may_commute(self, one: WireEvent, other: WireEvent) -> bool:
        """Whether the events commute; the scripts among them are trusted from now on if the answer depends on it."""
        if not one.is_write and not other.is_write:
            return True
        if one.keys is None or other.keys is None or set(one.keys) & set(other.keys):
            return False
        scripts = {*scripts_of(one), *scripts_of(other)}
        if scripts & self.untrusted_scripts or (scripts and EVERY_SCRIPT in self.untrusted_scripts):
            return False
        self.trusted_scripts |= scripts
        return True


def scripts_of(event: WireEvent) -> tuple[str, ...]:
    """Return the names of the scripts and functions that an event calls, without duplicates."""
    names = (script_called(words) for words in (event.args, *event.block))
    return tuple(dict.fromkeys(name for name in names if name))


def script_called(words: tuple[bytes, ...]) -> str:
    """Return the name of the script that a command calls, equal for EVAL and EVALSHA; empty if it calls none."""
    name = words[0].upper()
    if name not in SCRIPT_CALLS or len(words) < 2:
        return ""
    if name in (b"EVAL", b"EVAL_RO"):
        # The name that the server gives the script; its security does not matter here.
        return hashlib.sha1(words[1], usedforsecurity=False).hexdigest()
    return words[1].decode("utf-8", "backslashreplace").lower()
