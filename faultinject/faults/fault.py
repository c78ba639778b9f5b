"""The shape of a fault: a name, a sentence, where it applies, and its effects. Pure; no socket, no queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from midpipe.faultinject.faults.effects import Effects
from midpipe.faultinject.vocabulary import WireEvent

EffectsOf = Callable[[int, int | None], Effects]


def applies_everywhere(_event: WireEvent) -> bool:
    """Return True: most faults can happen at every command."""
    return True


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a network or a server can do at a wire event.

    Args:
        name: as in schedules and reports.
        summary: one sentence, for people.
        effects: from the command's size in bytes and the optional parameter to what is done.
        may_apply: whether it can happen at an event at all.
        variants: the parameters a sweep tries; ``(None,)`` for a fault without one.
        inside_block: it means something at a command inside MULTI … EXEC, before EXEC.
        forgets_scripts: afterwards the server must be taught its scripts again, lest the next case differ.
        needs_persistence: it is tried only on a server whose persistence was chosen for it.
        needs_replica: it is tried only on a server that has one.
        needs_own_server: it changes the server, so it is tried only on one that midpipe started.
    """

    name: str
    summary: str
    effects: EffectsOf
    may_apply: Callable[[WireEvent], bool] = applies_everywhere
    variants: tuple[int | None, ...] = (None,)
    inside_block: bool = False
    forgets_scripts: bool = False
    needs_own_server: bool = False
    needs_persistence: bool = False
    needs_replica: bool = False
