"""Which faults a batch of examples may use, and which of them fit a given program."""

from __future__ import annotations

from midpipe.faultinject.decide.drawn import FaultAt
from midpipe.faultinject.faults import CATALOGUE, Placeable
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import FaultRef, WireEvent
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.fault_selection import selected, suits, waits_for_time_out
from midpipe.scenarios.fuzz.space import PLAIN_FAULTS
from midpipe.scenarios.programs.program import Program

_NOT_WITH_SEVERAL_CLIENTS = frozenset(
    name for name, f in CATALOGUE.items() if f.effects(2, None).server.pauses
)
"""While the server is stopped, every other client would run into its own time-out as well."""


def placeable_in(rig: Rig, program: Program) -> Placeable:
    """Return the rule that names the faults for a command; with several clients, none that stops the server."""
    possible = selected(
        rig.server.is_ours, persistence=_persistence_of(rig), is_stepped=rig.time.is_stepped
    )
    if len(program.clients) == 1:
        return possible

    def without_pauses(event: WireEvent) -> tuple[FaultRef, ...]:
        return tuple(
            fault for fault in possible(event) if fault.name not in _NOT_WITH_SEVERAL_CLIENTS
        )

    return without_pauses


def one_waiting_client(faults: tuple[FaultAt, ...]) -> tuple[FaultAt, ...]:
    """Return the faults, keeping those that run into a time-out for the first such client only."""
    waiting = [planned.client for planned in faults if waits_for_time_out(planned.fault)]
    return tuple(
        planned
        for planned in faults
        if not waits_for_time_out(planned.fault) or planned.client == waiting[0]
    )


def _persistence_of(rig: Rig) -> Persistence | None:
    """Return the persistence of the rig's server; None if it keeps nothing, so that it must not be killed."""
    persistence = rig.server.persistence
    return None if persistence is Persistence.NONE else persistence


def faults_for(rig: Rig) -> tuple[str, ...]:
    """Return the names of the faults to plan with. On a server that keeps its data: kills and PLAIN_FAULTS only."""
    persistence, ours = _persistence_of(rig), rig.server.is_ours
    planned = [
        name
        for name, fault in CATALOGUE.items()
        if suits(persistence, FaultRef(name))
        and (ours or not fault.needs_own_server)
        and (rig.time.is_stepped or not fault.needs_stepped_clock)
    ]
    if persistence is None:
        return tuple(planned)
    return tuple(
        name
        for name in planned
        if name in PLAIN_FAULTS
        or CATALOGUE[name].needs_persistence
        or CATALOGUE[name].needs_replica
    )
