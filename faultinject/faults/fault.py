"""What a fault is: a name, a summary, where it applies, and its effects. Pure: no socket, no queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from midpipe.faultinject.faults.effects import Effects
from midpipe.faultinject.vocabulary import WireEvent

EffectsOf = Callable[[int, int | None], Effects]


def applies_everywhere(_event: WireEvent) -> bool:
    """Return True: most faults can happen at every command."""
    return True


def applies_to_writes(event: WireEvent) -> bool:
    """Return whether the event is a write: a fault that loses data can happen there alone."""
    return event.is_write


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that a network or a server can do at a wire event.

    Args:
        name: as in schedules and reports.
        summary: one sentence for reports.
        noticed: when and by what the client notices it, for the documents.
        effects: returns the effects, given the command's size in bytes and the optional parameter.
        may_apply: whether the fault can happen at an event.
        variants: the parameters that a sweep tries; ``(None,)`` for a fault without a parameter.
        finds_most: whether a sweep places it before most other faults, because it finds the most bugs.
        inside_block: whether it makes sense at a command inside MULTI … EXEC, before EXEC.
        forgets_scripts: whether the server loses its script cache, so that it must be warmed before the next case.
        needs_own_server: whether it changes the server, and so requires one that midpipe started.
        needs_persistence: whether it requires a server whose persistence was chosen for it.
        loses_power: whether it requires a server of which midpipe knows what is on the disk.
        needs_replica: whether it requires a server with a replica.
        needs_stepped_clock: whether it requires a clock that midpipe moves.
    """

    name: str
    summary: str
    noticed: str
    effects: EffectsOf
    may_apply: Callable[[WireEvent], bool] = applies_everywhere
    variants: tuple[int | None, ...] = (None,)
    finds_most: bool = False
    inside_block: bool = False
    forgets_scripts: bool = False
    needs_own_server: bool = False
    needs_persistence: bool = False
    loses_power: bool = False
    needs_replica: bool = False
    needs_stepped_clock: bool = False
