"""Cases that can't differ from another that is run, each by a named rule. Pure.

A rule is sound if the server's state and what every client sees are the same as in the case it points to.
"""

from __future__ import annotations

from faultinject.vocabulary import FaultRef, WireEvent


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
