"""Which faults may be planned in a batch of examples, and placed in one of them."""

from __future__ import annotations

from midpipe.faultinject.decide.drawn import FaultAt
from midpipe.faultinject.decide.sweep import Placeable
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import FaultRef, WireEvent
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.explore import is_slow, may_happen_to, selected
from midpipe.scenarios.fuzz.space import PLAIN_FAULTS
from midpipe.scenarios.programs.program import Program

_NOT_FOR_SEVERAL = frozenset(
    name for name, f in CATALOGUE.items() if f.effects(2, None).pauses_server
)
"""While one client waits for a server that stands still, so would the others, for their own time-outs."""


def placeable_in(rig: Rig, program: Program) -> Placeable:
    """Return what says which faults can be placed in a program: while one client waits, the others must not."""
    possible = selected(rig.server.is_ours, persistence=_kept(rig))
    if len(program.clients) == 1:
        return possible

    def without_pauses(event: WireEvent) -> tuple[FaultRef, ...]:
        return tuple(fault for fault in possible(event) if fault.name not in _NOT_FOR_SEVERAL)

    return without_pauses


def one_waits(faults: tuple[FaultAt, ...]) -> tuple[FaultAt, ...]:
    """Return the faults without those for which a second client would wait for its time-out, and both give up."""
    waiting = [planned.client for planned in faults if is_slow(planned.fault)]
    return tuple(
        planned for planned in faults if not is_slow(planned.fault) or planned.client == waiting[0]
    )


def _kept(rig: Rig) -> Persistence | None:
    """Return what the rig's server keeps when it is killed; None if nothing, and it is not to be killed."""
    kept = rig.server.persistence
    return None if kept is Persistence.NONE else kept


def faults_for(rig: Rig) -> tuple[str, ...]:
    """Return the faults that may be planned: on a server that keeps its data, kills and the plain ones."""
    kept, ours = _kept(rig), rig.server.is_ours
    planned = [
        name
        for name, fault in CATALOGUE.items()
        if may_happen_to(kept, FaultRef(name)) and (ours or not fault.needs_own_server)
    ]
    if kept is None:
        return tuple(planned)
    return tuple(
        name
        for name in planned
        if name in PLAIN_FAULTS
        or CATALOGUE[name].needs_persistence
        or CATALOGUE[name].needs_replica
    )
