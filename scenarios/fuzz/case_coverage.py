"""The coverage of one fuzzed case: each place that it reached, and the fault that happened there. Pure."""

from __future__ import annotations

from midpipe.faultinject.faults import Placeable
from midpipe.scenarios.model.coverage import LAST_COMMAND_COUNTED, NO_FAULT, Met, Place, state_for
from midpipe.scenarios.model.record import Called, CaseRecord, Stepped
from midpipe.scenarios.model.state import tables_of


def coverage_of(record: CaseRecord, placeable: Placeable) -> tuple[Met, ...]:
    """Return every place that a case reached.

    Args:
        placeable: which faults could have been placed at a command.
    """
    calls: dict[str, Called] = {}
    met = []
    for entry in record.entries:
        if isinstance(entry, Called):
            calls[entry.client] = entry
        elif isinstance(entry, Stepped):
            event = entry.step.event
            called = calls[event.position.client]
            tables = tables_of(record.states[entry.before]) if record.traits.white_box else None
            place = Place(
                operation=called.method,
                command=min(event.index.command, LAST_COMMAND_COUNTED),
                name=event.name,
                again=called.attempt > 1,
                state=state_for(called.method, called.arguments, tables),
            )
            possible = frozenset(fault.name for fault in placeable(event))
            fault = entry.step.fault.name if entry.step.fault else NO_FAULT
            met.append(Met(place, fault, possible))
    return tuple(met)
