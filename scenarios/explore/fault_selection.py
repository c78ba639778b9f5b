"""Which faults an exploration places at a command. Pure."""

from __future__ import annotations

from midpipe.faultinject.faults import (
    CATALOGUE,
    Pace,
    Placeable,
    is_for_any_server,
    needs_persistence,
    needs_replica,
    pace_of,
    placeable,
)
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import FaultRef, WireEvent


def selected(
    server_is_ours: bool,
    names: tuple[str, ...] = (),
    commands: tuple[str, ...] = (),
    pace: Pace | None = None,
    persistence: Persistence | None = None,
) -> Placeable:
    """Return a function that says which faults are placed at a command.

    Args:
        server_is_ours: midpipe may do to the server what it likes; otherwise no fault that changes it is placed.
        names: of the faults; empty takes all.
        commands: names of the commands to break; empty takes all.
        pace: only faults whose cases take so long; None takes all.
        persistence: of a server that may be killed; None if the server must not be killed.
    """

    def faults_at(event: WireEvent) -> tuple[FaultRef, ...]:
        if commands and event.name not in commands:
            return ()
        return tuple(
            fault
            for fault in placeable(event)
            if (server_is_ours or is_for_any_server(fault))
            and (not names or fault.name in names)
            and suits(persistence, fault)
            and (pace is None or pace_of(fault) is pace)
        )

    return faults_at


def suits(persistence: Persistence | None, fault: FaultRef) -> bool:
    """Whether a fault can be placed on a server with this persistence; None: one that must not be killed."""
    if needs_replica(fault):
        return persistence is not None and persistence.is_replicated
    if needs_persistence(fault):
        return persistence is not None and not persistence.is_replicated
    return True


def waits_for_time_out(fault: FaultRef) -> bool:
    """Whether the client notices the fault only when its own time-out has passed."""
    return CATALOGUE[fault.name].effects(2, fault.parameter).wire.waits


def forgets_scripts(fault: FaultRef) -> bool:
    """Whether the server has forgotten its scripts after the fault."""
    return CATALOGUE[fault.name].forgets_scripts
