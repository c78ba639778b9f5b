"""Which faults an exploration places at a command. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import (
    CATALOGUE,
    Pace,
    Placeable,
    is_for_any_server,
    loses_power,
    needs_persistence,
    needs_replica,
    pace_of,
    placeable,
)
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import FaultRef, WireEvent
from midpipe.faultinject.wire.pattern import parse_pattern


@dataclass(frozen=True, slots=True)
class Aim:
    """Which faults a run places, and where; an empty aim places every fault at every command.

    Args:
        faults: names of faults.
        at: commands, as ``wire.pattern`` writes them.
    """

    faults: tuple[str, ...] = ()
    at: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.faults or self.at)

    def __str__(self) -> str:
        words = [f"--fault {name}" for name in self.faults] + [f"--at {place}" for place in self.at]
        return " ".join(words)

    def takes(self, event: WireEvent) -> bool:
        """Whether faults are placed at this command."""
        return not self.at or any(
            parse_pattern(place).matches(event.args, event.keys) for place in self.at
        )


ANYWHERE = Aim()


def aim_at(faults: Sequence[str], at: Sequence[str]) -> Aim:
    """Return the aim that a user names. Raises UsageError for a fault that does not exist, or an empty command."""
    for name in faults:
        if name not in CATALOGUE:
            raise UsageError(f"There is no fault {name!r}.{did_you_mean(name, CATALOGUE)}")
    if not all(parse_pattern(place).command for place in at):
        raise UsageError(
            "--at names no command. Write COMMAND or COMMAND:KEY, such as HSET or 'RPUSH:jobs:*'."
        )
    return Aim(tuple(faults), tuple(at))


def selected(
    server_is_ours: bool,
    names: tuple[str, ...] = (),
    aim: Aim = ANYWHERE,
    pace: Pace | None = None,
    persistence: Persistence | None = None,
    *,
    is_stepped: bool = False,
) -> Placeable:
    """Return a function that says which faults are placed at a command.

    Args:
        server_is_ours: midpipe may do to the server what it likes; otherwise no fault that changes it is placed.
        names: of the faults; empty takes all.
        aim: which of these faults to place, and at which commands.
        pace: only faults whose cases take so long; None takes all.
        persistence: of a server that may be killed; None if the server must not be killed.
        is_stepped: on a clock that midpipe moves.
    """

    def faults_at(event: WireEvent) -> tuple[FaultRef, ...]:
        if not aim.takes(event):
            return ()
        return tuple(
            fault
            for fault in placeable(event, is_stepped=is_stepped)
            if (server_is_ours or is_for_any_server(fault))
            and (not names or fault.name in names)
            and (not aim.faults or fault.name in aim.faults)
            and suits(persistence, fault)
            and (pace is None or pace_of(fault) is pace)
        )

    return faults_at


def suits(persistence: Persistence | None, fault: FaultRef) -> bool:
    """Whether a fault can be placed on a server with this persistence; None: one that must not be killed."""
    if loses_power(fault):
        return persistence is Persistence.POWER_LOSS
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
