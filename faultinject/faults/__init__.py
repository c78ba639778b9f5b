"""The catalogue of faults, by name, and what can be asked of each. To add a fault, write its file and list it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType

from midpipe.faultinject.faults.clock import CLOCK_STEP, ELAPSE, SKEW_AHEAD, SKEW_BEHIND
from midpipe.faultinject.faults.cut_before import CUT_BEFORE
from midpipe.faultinject.faults.effects import Deliver, Effects, Process
from midpipe.faultinject.faults.failover import FAILOVER, FAILOVER_BEHIND, LAG
from midpipe.faultinject.faults.fault import Fault
from midpipe.faultinject.faults.kill import KILL, KILL_BEFORE
from midpipe.faultinject.faults.late import LATE
from midpipe.faultinject.faults.lost_reply import LOST_REPLY, LOST_REPLY_FIN
from midpipe.faultinject.faults.misconf import MISCONF
from midpipe.faultinject.faults.operator import CLIENT_KILL, NOPERM, OOM, READONLY, SCRIPT_FLUSH
from midpipe.faultinject.faults.pace import BANDWIDTH, SLICE, SLOW
from midpipe.faultinject.faults.pause import PAUSE
from midpipe.faultinject.faults.power_loss import POWER_LOSS
from midpipe.faultinject.faults.process import CRASH, CRASH_BEFORE, FREEZE
from midpipe.faultinject.faults.readdress import READDRESS
from midpipe.faultinject.faults.refuse import REFUSE
from midpipe.faultinject.faults.silence import BLACK_HOLE, STALL
from midpipe.faultinject.faults.torn import TORN_FIRST, TORN_LAST, TORN_MIDDLE
from midpipe.faultinject.vocabulary import FaultRef, WireEvent

Placeable = Callable[[WireEvent], tuple[FaultRef, ...]]
"""Returns the faults that can be placed at an event."""

CATALOGUE: Mapping[str, Fault] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            CUT_BEFORE,
            LOST_REPLY,
            LOST_REPLY_FIN,
            TORN_FIRST,
            TORN_MIDDLE,
            TORN_LAST,
            REFUSE,
            SLICE,
            SLOW,
            BANDWIDTH,
            SCRIPT_FLUSH,
            OOM,
            READONLY,
            CLIENT_KILL,
            NOPERM,
            MISCONF,
            STALL,
            BLACK_HOLE,
            LATE,
            PAUSE,
            KILL,
            KILL_BEFORE,
            READDRESS,
            POWER_LOSS,
            FAILOVER,
            FAILOVER_BEHIND,
            LAG,
            CRASH,
            CRASH_BEFORE,
            FREEZE,
            ELAPSE,
            SKEW_AHEAD,
            SKEW_BEHIND,
            CLOCK_STEP,
        )
    }
)


def effects_of(ref: FaultRef, event: WireEvent) -> Effects:
    """Return what the fault does at the event. Raises KeyError for a fault that is not in the catalogue."""
    return CATALOGUE[ref.name].effects(event.size, ref.parameter)


def placeable(event: WireEvent, *, is_stepped: bool = False) -> tuple[FaultRef, ...]:
    """Return every fault that can happen at the event, with each parameter that a sweep tries.

    Args:
        is_stepped: on a clock that midpipe moves; without one there are no faults of the clock.
    """
    return tuple(
        FaultRef(fault.name, parameter)
        for fault in CATALOGUE.values()
        if fault.may_apply(event)
        and (fault.inside_block or not event.position.inside)
        and (is_stepped or not fault.needs_stepped_clock)
        for parameter in fault.variants
    )


def changes_process(ref: FaultRef) -> bool:
    """Whether the fault kills or freezes the client's process; a case with one runs with short leases."""
    return CATALOGUE[ref.name].effects(2, ref.parameter).process is not Process.RUNS


def lets_time_pass(ref: FaultRef) -> bool:
    """Whether the fault is time that passes before the command, for everyone: leases end, keys expire."""
    return CATALOGUE[ref.name].effects(2, ref.parameter).clock.elapse_s > 0.0


class Pace(IntEnum):
    """How long a case with a fault takes."""

    QUICK = 0
    WAITS_FOR_TIME_OUT = 1
    STARTS_A_PROCESS = 2


def pace_of(ref: FaultRef) -> Pace:
    """Return how long a case with the fault takes."""
    fault = CATALOGUE[ref.name]
    if changes_process(ref) or fault.needs_persistence or fault.needs_replica:
        return Pace.STARTS_A_PROCESS
    waits = fault.effects(2, ref.parameter).wire.waits
    return Pace.WAITS_FOR_TIME_OUT if waits else Pace.QUICK


class Priority(IntEnum):
    """How early a sweep runs a fault: what finds the most bugs first, what has to wait last.

    A time budget cuts off the end.
    """

    FINDS_MOST = 0
    QUICK = 1
    STARTS_A_PROCESS = 2
    WAITS = 3


def priority_of(ref: FaultRef) -> Priority:
    """Return how early a sweep runs the fault."""
    fault = CATALOGUE[ref.name]
    effects = fault.effects(2, ref.parameter)
    if fault.finds_most:
        return Priority.FINDS_MOST
    if effects.wire.waits or effects.process is Process.FROZEN:
        return Priority.WAITS
    return Priority.QUICK if pace_of(ref) is Pace.QUICK else Priority.STARTS_A_PROCESS


def loses_answer(ref: FaultRef) -> bool:
    """Whether the server runs the command and the client never learns it: nothing finds more bugs than that."""
    wire = CATALOGUE[ref.name].effects(2, ref.parameter).wire
    return wire.deliver is Deliver.ALL and not wire.reply_passes


def needs_persistence(ref: FaultRef) -> bool:
    """Whether the fault needs a server with a chosen persistence."""
    return CATALOGUE[ref.name].needs_persistence


def loses_power(ref: FaultRef) -> bool:
    """Whether the fault needs a server of which midpipe knows what is on the disk."""
    return CATALOGUE[ref.name].loses_power


def needs_replica(ref: FaultRef) -> bool:
    """Whether the fault needs a server with a replica."""
    return CATALOGUE[ref.name].needs_replica


def is_for_any_server(ref: FaultRef) -> bool:
    """Whether the fault leaves the server alone, so that any server will do."""
    return not CATALOGUE[ref.name].needs_own_server
