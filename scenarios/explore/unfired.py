"""Says of a case whose planned faults did not all happen what its clients did instead. Pure.

Blind to why a client did something else: its own clock, or what it has kept from earlier calls, may have decided that.
"""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.faultinject.decide.schedule import PlannedStep, command_at
from midpipe.faultinject.vocabulary import Label, Place, WireEvent
from midpipe.scenarios.model.history import Operation, Phase
from midpipe.scenarios.model.record import CaseRecord

_MOST_NAMED = 3


def unfired_reason(record: CaseRecord, planned: Sequence[PlannedStep]) -> str:
    """Return how many of the planned faults happened, and why the first of the others did not; empty if all did."""
    if record.faults == len(planned):
        return ""
    counts = f"{record.faults} of {len(planned)} planned faults fired"
    for step in planned:
        met = [taken for taken in record.steps if taken.event.is_at(step.position)]
        if not any(taken.fault for taken in met):
            instead = _instead(record, step, [taken.event for taken in met])
            return f"{counts}: {step} did not, because {instead}"
    return counts


def _instead(record: CaseRecord, step: PlannedStep, met: Sequence[WireEvent]) -> str:
    """Return what happened where the fault was planned, as a clause."""
    place = step.position
    if met and step.command not in ("", met[0].name):
        return f"that command is {met[0].name}"
    if met:
        return "the command passed without it"
    sent = [taken.event for taken in record.steps if taken.event.position.client == place.client]
    if isinstance(place, Label):
        sent = [event for event in sent if event.index.call == (place.operation, place.attempt)]
    return f"{place.client} {_sent(place, command_at(step), sent)}, {_end(record, place)}"


def _sent(place: Place, command: str, sent: Sequence[WireEvent]) -> str:
    """Return what a client sent instead of the command of a place."""
    if not isinstance(place, Label):
        # Each command of a block is an event of its own.
        count = len({event.position.ordinal for event in sent})
        return f"sent {_times(count, 'command')} only" if sent else "sent no command"
    same = {
        event.label.occurrence for event in sent if event.label and _is_like(event.label, place)
    }
    if same:
        return f"sent {command} {_times(len(same), 'time')} only"
    others = list(dict.fromkeys(event.index.label for event in sent))
    named = ", ".join(others[:_MOST_NAMED]) + (", …" if len(others) > _MOST_NAMED else "")
    return f"sent {named} instead of {command}" if named else "sent no command"


def _is_like(one: Label, other: Label) -> bool:
    return (one.command, one.key) == (other.command, other.key)


def _end(record: CaseRecord, place: Place) -> str:
    """Return how the call ended that was to send a command: the one of a label, or the client's last one."""
    calls = [
        call
        for call in record.history
        if call.client == place.client
        and call.phase is Phase.PROGRAM
        and (not isinstance(place, Label) or _is_call_of(call, place))
    ]
    return f"and {calls[-1].method} {_how(calls[-1])}" if calls else "and no such call ended"


def _is_call_of(call: Operation, label: Label) -> bool:
    return (call.request, call.attempt) == (label.operation, label.attempt)


def _how(call: Operation) -> str:
    if call.caller_died:
        return "ended with its process"
    return f"raised {call.raised}" if call.raised else "returned"


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
